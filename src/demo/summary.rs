//! The summary at the end of the demo.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::anyhow;
use serde_json::json;

use super::DemoArgs;
use super::tally::Tally;
use crate::console::Failure;
use crate::console::output::{Table, bytes, print, print_json, span};

/// The parts of the summary.
#[derive(Debug)]
pub(super) struct Summary<'a> {
    pub(super) args: &'a DemoArgs,
    pub(super) tally: &'a Tally,
    pub(super) backend: String,
    pub(super) seconds: Duration,
    pub(super) sheet: Option<PathBuf>,
}

impl Summary<'_> {
    pub(super) fn print(&self) {
        if self.args.json { self.print_json() } else { self.print_text() }
    }

    fn print_text(&self) {
        let state = self.tally.state();
        let totals = state.ledger.totals();
        let mut table = Table::new(
            &["CAMERA", "ACCEPTED", "DELIVERED", "FAILED", "LOST", "DUPLICATES", "OUT OF ORDER"],
            &[1, 2, 3, 4, 5, 6],
        );
        let accounts =
            self.tally.streams().iter().map(|stream| (stream.as_str(), state.ledger.totals_of(stream)));
        for (name, one) in accounts.chain([("all", totals.clone())]) {
            let numbers =
                [one.accepted, one.delivered, one.failed, one.lost, one.duplicates, one.out_of_order];
            table.row(std::iter::once(name.to_owned()).chain(numbers.map(|number| number.to_string())));
        }
        let rate = totals.delivered as f64 / self.seconds.as_secs_f64().max(0.001);
        let mut text = format!(
            "{}\nqueue       {}\nin          {}\nout         {}, {rate:.1} frames/s over {}\n",
            table.render(),
            self.backend,
            bytes(state.bytes_in),
            bytes(state.bytes_out),
            span(self.seconds),
        );
        if let Some(words) = state.latency.words() {
            text.push_str(&format!("latency     {words}, from receipt by the server to the subscriber\n"));
        }
        let also = [
            ("refused", state.refused),
            ("unconfirmed", state.unconfirmed),
            ("sent again", state.retries),
            ("unaccounted", totals.unaccounted),
        ];
        for (name, count) in also.iter().filter(|(_, count)| *count > 0) {
            text.push_str(&format!("{name:<11} {count}\n"));
        }
        for (reason, count) in &totals.gaps {
            text.push_str(&format!("gap         {count} ({reason})\n"));
        }
        if let Some(sheet) = &self.sheet {
            text.push_str(&format!("pictures    {}\n", sheet.display()));
        }
        print(&text);
    }

    fn print_json(&self) {
        let state = self.tally.state();
        let totals = state.ledger.totals();
        print_json(&json!({
            "accepted": totals.accepted,
            "delivered": totals.delivered,
            "failed": totals.failed,
            "lost": totals.lost,
            "duplicates": totals.duplicates,
            "out_of_order": totals.out_of_order,
            "unaccounted": totals.unaccounted,
            "refused": state.refused,
            "unconfirmed": state.unconfirmed,
            "retries": state.retries,
            "gaps": totals.gaps,
            "bytes_in": state.bytes_in,
            "bytes_out": state.bytes_out,
            "p50_ms": state.latency.ms(0.5),
            "p95_ms": state.latency.ms(0.95),
            "p99_ms": state.latency.ms(0.99),
            "latency": "receive_time to delivery",
            "cameras": self.args.cameras,
            "backend": self.backend,
            "seconds": (self.seconds.as_secs_f64() * 1e3).round() / 1e3,
            "sheet": self.sheet.as_ref().map(|sheet| sheet.display().to_string()),
        }));
    }

    /// Fails unless every accepted frame was delivered once and in order.
    pub(super) fn result(&self) -> Result<(), Failure> {
        let totals = self.tally.state().ledger.totals();
        let failed = |text: String| Err(Failure::Failed(anyhow!(text)));
        if totals.accepted == 0 {
            return failed("no frame was accepted".to_owned());
        }
        if totals.lost + totals.duplicates + totals.out_of_order > 0 {
            let (lost, twice, order) = (totals.lost, totals.duplicates, totals.out_of_order);
            return failed(format!("{lost} frames lost, {twice} delivered twice, {order} out of order"));
        }
        Ok(())
    }
}
