//! Selecting streams: by id, pattern, label or filter.

use std::collections::BTreeSet;

use anyhow::anyhow;
use clap::Args;

use super::settings::key_value;
use crate::client::Client;
use crate::client::subscribe::is_pattern;
use crate::console::{Failure, refused};
use crate::domain::Scope;
use crate::pb::v1 as pb;

/// The conditions on streams. A stream must meet all kinds that are given.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Selection")]
pub(in crate::cli) struct SelectArgs {
    /// Stream ids, or quoted patterns of ids (`*`, `?`, `[ab]`).
    #[arg(value_name = "STREAM")]
    pub(super) streams: Vec<String>,

    /// Streams that have this label; repeatable: a stream must have all of them.
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    labelled: Vec<(String, String)>,

    /// Streams that match an expression, for example 'status.state = STREAM_STATE_STALLED'; see
    /// `frameway streams list --help`.
    #[arg(long, value_name = "FILTER", default_value = "", hide_default_value = true)]
    filter: String,
}

impl SelectArgs {
    /// Reports whether no condition is given.
    pub(super) fn is_empty(&self) -> bool {
        self.streams.is_empty() && self.labelled.is_empty() && self.filter.is_empty()
    }

    /// Returns the id of the only stream that can be selected; `None` if there may be several.
    pub(super) fn one_id(&self) -> Option<&str> {
        match &self.streams[..] {
            [id] if !is_pattern(id) && self.labelled.is_empty() && self.filter.is_empty() => Some(id),
            _ => None,
        }
    }

    /// Reads the selected streams, by id; without a condition, all.
    ///
    /// # Errors
    /// The server refuses the list, or an id or a pattern selects no stream.
    pub(in crate::cli) async fn read(&self, client: &mut Client) -> Result<Vec<pb::Stream>, Failure> {
        let pattern = |text: &str| Scope::new([text.to_owned()]).map_err(|e| Failure::Usage(e.into()));
        let patterns: Vec<(&String, Scope)> =
            self.streams.iter().map(|text| Ok((text, pattern(text)?))).collect::<Result<_, Failure>>()?;
        let mut used = BTreeSet::new();
        let mut selected = all(client, &self.filter).await?;
        selected.retain(|stream| {
            let has = |(key, value): &(String, String)| stream.labels.get(key) == Some(value);
            if !self.labelled.iter().all(has) {
                return false;
            }
            let matching = patterns.iter().filter(|(_, pattern)| pattern.contains(&stream.stream_id));
            let texts: Vec<&String> = matching.map(|(text, _)| *text).collect();
            let is_selected = patterns.is_empty() || !texts.is_empty();
            used.extend(texts);
            is_selected
        });
        let unused: Vec<&str> =
            self.streams.iter().filter(|text| !used.contains(text)).map(String::as_str).collect();
        if !unused.is_empty() {
            let among = if self.labelled.is_empty() && self.filter.is_empty() {
                "registered streams"
            } else {
                "streams with these labels that match the filter"
            };
            return Err(Failure::Failed(anyhow!("{}: not among the {among}", unused.join(", "))));
        }
        if selected.is_empty() && !self.is_empty() {
            return Err(Failure::Failed(anyhow!("no stream matches")));
        }
        Ok(selected)
    }
}

/// Reads the streams that match a filter, by id; with an empty filter, all.
pub(super) async fn all(client: &mut Client, filter: &str) -> Result<Vec<pb::Stream>, Failure> {
    let mut streams = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = pb::ListStreamsRequest { page_size: 1_000, page_token, filter: filter.to_owned() };
        let answer = client.registry.list_streams(request).await;
        let page = answer.map_err(|status| refused("listing the streams", &status))?.into_inner();
        streams.extend(page.streams);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(streams);
        }
    }
}
