//! Reading the newest frames of streams.

use std::time::Duration;

use super::time::duration;
use super::{Client, Error, MAX_PICTURE_BYTES};
use crate::pb::v1 as pb;
use crate::pb::v1::latest_frame::Outcome;

/// The maximum number of streams in one call.
const MAX_STREAMS: usize = 100;

/// The newest frame of a stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Latest {
    /// The stream.
    pub stream_id: String,
    /// The frame, or the reason why there is none.
    pub frame: Result<Box<pb::ProcessedFrame>, pb::MissingFrame>,
    /// The time since the server received the frame; zero without a frame.
    pub age: Duration,
}

impl Client {
    /// Reads the newest frame of each stream, in the order of the streams. More than 100 streams are
    /// read in several calls.
    ///
    /// With `None`, the processed pictures are read. The pictures of one call have at most 31 MiB
    /// together; a picture beyond that has an omitted reason in place of its data.
    ///
    /// # Errors
    /// Returns [`Error::Refused`] if the server refuses a call, or does not answer.
    ///
    /// # Examples
    /// ```no_run
    /// # use frameway::client::{Client, Error};
    /// # async fn example(client: Client) -> Result<(), Error> {
    /// for latest in client.latest(["north-gate", "south-gate"], None).await? {
    ///     match latest.frame {
    ///         Ok(frame) => println!("{}: {}, {:?} old", latest.stream_id, frame.sequence, latest.age),
    ///         Err(missing) => println!("{}: {:?}", latest.stream_id, missing.reason()),
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    pub async fn latest<I: Into<String>>(
        &self,
        streams: impl IntoIterator<Item = I>,
        pictures: Option<pb::PictureSelection>,
    ) -> Result<Vec<Latest>, Error> {
        let streams: Vec<String> = streams.into_iter().map(Into::into).collect();
        let mut pictures = pictures.unwrap_or_default();
        pictures.max_picture_bytes.get_or_insert(MAX_PICTURE_BYTES);
        let policy = self.policy("frameway.v1.StreamingService/GetLatestFrames");
        let mut found = Vec::with_capacity(streams.len());
        for some in streams.chunks(MAX_STREAMS) {
            let request =
                pb::GetLatestFramesRequest { stream_ids: some.to_vec(), pictures: Some(pictures.clone()) };
            let call = |request| {
                let mut client = self.streaming.clone();
                async move { client.get_latest_frames(request).await }
            };
            found.extend(policy.call(request, call).await?.results.into_iter().map(latest));
        }
        Ok(found)
    }
}

/// Reads a result. One of a kind that a newer server sends is a missing frame.
fn latest(result: pb::LatestFrame) -> Latest {
    let pb::LatestFrame { stream_id, age, outcome } = result;
    let frame = match outcome {
        Some(Outcome::Frame(frame)) => Ok(Box::new(frame)),
        Some(Outcome::Missing(missing)) => Err(missing),
        None => Err(pb::MissingFrame::default()),
    };
    Latest { stream_id, frame, age: age.as_ref().map(duration).unwrap_or_default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_without_a_known_outcome_is_a_missing_frame() {
        let unknown = pb::LatestFrame { stream_id: "cam".to_owned(), ..Default::default() };
        assert_eq!(latest(unknown).frame, Err(pb::MissingFrame::default()));
    }
}
