//! Parsing a time on the command line.

use std::time::{Duration, SystemTime};

/// Parses a date and a time with its zone: `Z` for UTC, or an offset.
pub(super) fn parse_time(text: &str) -> Result<SystemTime, String> {
    let (local, offset_minutes) = split_zone(text);
    if year(local).is_some_and(|year| !(1970..=9999).contains(&year)) {
        return Err("is not in the years 1970 to 9999".to_owned());
    }
    let utc = humantime::parse_rfc3339_weak(local).map_err(|_| advice(text))?;
    let offset_minutes = offset_minutes.ok_or_else(|| {
        let local = local.replacen(' ', "T", 1);
        format!("has no time zone: write {local}Z for UTC, or {local}+02:00 with an offset")
    })?;
    let offset = Duration::from_secs(offset_minutes.unsigned_abs() * 60);
    let moved = if offset_minutes < 0 { utc.checked_add(offset) } else { utc.checked_sub(offset) };
    moved.ok_or_else(|| advice(text))
}

/// Returns the year of what looks like a date.
fn year(text: &str) -> Option<u32> {
    let (year, rest) = text.split_once('-')?;
    let is_year = year.len() >= 4 && rest.contains('-') && year.bytes().all(|byte| byte.is_ascii_digit());
    if is_year { Some(year.parse().unwrap_or(u32::MAX)) } else { None }
}

/// Splits off `Z`, or an offset such as `+02:00`, and returns it in minutes; `None` if there is none.
fn split_zone(text: &str) -> (&str, Option<i64>) {
    if let Some(local) = text.strip_suffix(['Z', 'z']) {
        return (local, Some(0));
    }
    let parts = text.len().checked_sub("+00:00".len()).and_then(|at| text.split_at_checked(at));
    let Some((local, offset)) = parts else { return (text, None) };
    let sign = match offset.as_bytes().first() {
        Some(b'+') => 1,
        // The end of a date such as `-11-28` has no colon, so it is not taken for an offset.
        Some(b'-') => -1,
        _ => return (text, None),
    };
    let number = |digits: &str| {
        let all_digits = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse::<i64>().ok().filter(|_| all_digits)
    };
    match offset[1..].split_once(':').map(|(hours, minutes)| (number(hours), number(minutes))) {
        Some((Some(hours), Some(minutes))) if hours < 24 && minutes < 60 => {
            (local, Some(sign * (hours * 60 + minutes)))
        }
        _ => (text, None),
    }
}

/// Returns an example of what to write instead, with today's date.
fn advice(text: &str) -> String {
    let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let today = now.get(..10).unwrap_or("2026-05-01");
    let may_be_in_time = |byte: u8| byte.is_ascii_digit() || matches!(byte, b':' | b'.');
    let is_time_only = text.len() <= 12 && text.get(2..3) == Some(":") && text.bytes().all(may_be_in_time);
    let time = if is_time_only && text.len() == 8 { text } else { "14:03:20" };
    let why = if is_time_only { "has no date" } else { "is not a time" };
    format!("{why}: write {today}T{time}Z for UTC, or {today}T{time}+02:00 with an offset")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_its_zone() {
        let read =
            |text: &str| parse_time(text).map(|time| humantime::format_rfc3339_millis(time).to_string());
        for text in [
            "2026-11-28T14:03:20Z",
            "2026-11-28 14:03:20z",
            "2026-11-28T16:03:20+02:00",
            "2026-11-28 16:03:20+02:00",
            "2026-11-28T08:33:20-05:30",
        ] {
            assert_eq!(read(text).as_deref(), Ok("2026-11-28T14:03:20.000Z"), "{text}");
        }
        assert_eq!(read("2026-11-29T00:30:00.250+01:00").as_deref(), Ok("2026-11-28T23:30:00.250Z"));
    }

    #[test]
    fn a_time_without_a_zone_is_answered_with_both_ways_to_write_it() {
        for text in ["2026-11-28T14:03:20", "2026-11-28 14:03:20"] {
            let error = parse_time(text).unwrap_err();
            let expected = "has no time zone: write 2026-11-28T14:03:20Z for UTC, or \
                            2026-11-28T14:03:20+02:00 with an offset";
            assert_eq!(error, expected);
        }
    }

    #[test]
    fn a_time_beyond_the_years_of_the_contract_is_named_as_such() {
        for text in ["1969-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "10000-01-01T00:00:00Z"] {
            assert_eq!(parse_time(text).unwrap_err(), "is not in the years 1970 to 9999", "{text}");
        }
        assert!(parse_time("1970-01-01T00:00:00Z").is_ok() && parse_time("9999-12-31T23:59:59Z").is_ok());
    }

    #[test]
    fn an_invalid_time_is_answered_with_an_example() {
        let today = || humantime::format_rfc3339_seconds(SystemTime::now()).to_string()[..10].to_owned();
        let days = [today(), today()];
        let error = parse_time("14:03:20").unwrap_err();
        let asked = |day: &String| error.contains(&format!("write {day}T14:03:20Z for UTC"));
        assert!(error.starts_with("has no date") && days.iter().any(asked) || today() != days[0], "{error}");
        for text in
            ["", "yesterday", "2026-11-28", "2026-11-28T14:03:20+2:00", "2026-11-28T14:03:20 CET", "é:::"]
        {
            let error = parse_time(text).unwrap_err();
            assert!(error.starts_with("is not a time") && error.contains("Z for UTC"), "{text}: {error}");
        }
    }
}
