//! A moment as people write it on the command line.

use std::time::{Duration, SystemTime};

/// Reads a moment: a date and a time, in UTC unless a zone says otherwise.
pub(super) fn parse_moment(text: &str) -> Result<SystemTime, String> {
    let (local, offset_minutes) = split_zone(text);
    let utc = humantime::parse_rfc3339_weak(local).map_err(|_| advice(text))?;
    let offset = Duration::from_secs(offset_minutes.unsigned_abs() * 60);
    let moved = if offset_minutes < 0 { utc.checked_add(offset) } else { utc.checked_sub(offset) };
    moved.ok_or_else(|| advice(text))
}

/// Splits a zone like `+02:00` off; what it is ahead of UTC, in minutes.
fn split_zone(text: &str) -> (&str, i64) {
    let zone = text.len().checked_sub("+00:00".len()).and_then(|at| text.split_at_checked(at));
    let Some((local, zone)) = zone else { return (text, 0) };
    let sign = match zone.as_bytes().first() {
        Some(b'+') => 1,
        // A date has no colon where a zone has one.
        Some(b'-') => -1,
        _ => return (text, 0),
    };
    let number = |digits: &str| {
        let all_digits = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse::<i64>().ok().filter(|_| all_digits)
    };
    match zone[1..].split_once(':').map(|(hours, minutes)| (number(hours), number(minutes))) {
        Some((Some(hours), Some(minutes))) if hours < 24 && minutes < 60 => {
            (local, sign * (hours * 60 + minutes))
        }
        _ => (text, 0),
    }
}

/// Returns an example of what to write instead, with today's date.
fn advice(text: &str) -> String {
    let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let today = now.get(..10).unwrap_or("2026-05-01");
    let is_of_a_time = |byte: u8| byte.is_ascii_digit() || matches!(byte, b':' | b'.');
    let is_time_only = text.len() <= 12 && text.get(2..3) == Some(":") && text.bytes().all(is_of_a_time);
    let time = if is_time_only && text.len() == 8 { text } else { "14:03:20" };
    let why = if is_time_only { "has no date" } else { "is no moment" };
    format!("{why}: write {today}T{time}Z (UTC; a moment without a zone is UTC, too) or {today}T{time}+02:00")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_utc_unless_a_zone_says_otherwise() {
        let read =
            |text: &str| parse_moment(text).map(|time| humantime::format_rfc3339_millis(time).to_string());
        for text in [
            "2026-11-28T14:03:20Z",
            "2026-11-28T14:03:20",
            "2026-11-28 14:03:20",
            "2026-11-28T16:03:20+02:00",
            "2026-11-28 16:03:20+02:00",
            "2026-11-28T08:33:20-05:30",
        ] {
            assert_eq!(read(text).as_deref(), Ok("2026-11-28T14:03:20.000Z"), "{text}");
        }
        assert_eq!(read("2026-11-29T00:30:00.250+01:00").as_deref(), Ok("2026-11-28T23:30:00.250Z"));
    }

    #[test]
    fn what_is_no_moment_is_answered_with_an_example() {
        let today = || humantime::format_rfc3339_seconds(SystemTime::now()).to_string()[..10].to_owned();
        let days = [today(), today()];
        let told = parse_moment("14:03:20").unwrap_err();
        let asked = |day: &String| told.contains(&format!("write {day}T14:03:20Z (UTC"));
        assert!(told.starts_with("has no date") && days.iter().any(asked) || today() != days[0], "{told}");
        for text in
            ["", "yesterday", "2026-11-28", "2026-11-28T14:03:20+2:00", "2026-11-28T14:03:20 CET", "é:::"]
        {
            let told = parse_moment(text).unwrap_err();
            assert!(told.starts_with("is no moment") && told.contains("Z (UTC"), "{text}: {told}");
        }
    }
}
