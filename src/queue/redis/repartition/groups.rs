use super::Step;
use super::copy::PAGE;
use super::ends::Ends;
use super::error::Moved;
use super::progress::Progress;
use crate::domain::{DeadLetterId, GroupId, StreamId};
use crate::queue::redis::reply;
use crate::queue::{Error, Result};

impl Ends {
    /// Returns the groups of the source, in order.
    pub(super) async fn groups(&self) -> Result<Vec<GroupId>> {
        let mut read = redis::cmd("ZRANGE");
        read.arg(self.source.names.groups()).arg(0).arg(-1);
        let names = reply::array(self.source.control.command(&read).await?)?;
        let id = |name| {
            let name = reply::text(name)?.unwrap_or_default();
            name.parse().map_err(|error| Error::Corrupt(format!("{error}")))
        };
        names.into_iter().map(id).collect()
    }

    /// Copies the groups that are not copied yet.
    pub(super) async fn copy_groups(
        &self,
        progress: &mut Progress,
        report: &(dyn Fn(Step) + Send + Sync),
    ) -> Moved<()> {
        let groups = self.groups().await?;
        for (done, id) in groups.iter().enumerate() {
            report(Step::Groups(done, groups.len()));
            if !progress.has_group(id) {
                self.copy_group(id).await?;
                progress.group_done(self, id).await?;
            }
        }
        report(Step::Groups(groups.len(), groups.len()));
        Ok(())
    }

    /// Copies a group. Nothing of it depends on a partition, except the names of dead letters.
    async fn copy_group(&self, id: &GroupId) -> Result<()> {
        let (from, to) = (self.source.names.group(id), self.target.names.group(id));
        self.remove(&to.all()).await?;
        for (from, to) in [
            (from.about(), to.about()),
            (from.positions(), to.positions()),
            (from.pending(), to.pending()),
            (from.members(), to.members()),
            (from.gaps(), to.gaps()),
            (from.unsent_gaps(), to.unsent_gaps()),
        ] {
            self.copy_hash(&from, &to).await?;
        }
        for (from, to) in [(from.due(), to.due()), (from.alive(), to.alive()), (from.ended(), to.ended())] {
            self.copy_scores(&from, &to).await?;
        }
        let letters = self.hash(&from.letters()).await?;
        let frames: Vec<&str> = letters.names().collect();
        for some in frames.chunks(PAGE) {
            let mut write = redis::pipe();
            for &frame in some {
                let letter = self.moved_letter(frame, letters.text(frame)?)?;
                write.cmd("HSET").arg(to.letters()).arg(frame).arg(letter.to_string());
            }
            self.write(&write).await?;
        }
        let mut list = redis::pipe();
        list.cmd("ZADD").arg(self.target.names.groups()).arg(0).arg(id.as_str());
        self.write(&list).await
    }

    /// Returns the id that a dead letter of a pending frame, `<stream>:<sequence>`, has in the target.
    fn moved_letter(&self, frame: &str, letter: &str) -> Result<DeadLetterId> {
        let corrupt = |error: crate::domain::ValidationError| Error::Corrupt(error.to_string());
        let id = DeadLetterId::parse(letter, self.source.config.partitions).map_err(corrupt)?;
        let stream = frame.split(':').next().unwrap_or_default();
        let stream: StreamId = stream.parse().map_err(corrupt)?;
        Ok(DeadLetterId { partition: self.target.config.partitions.of(&stream), ..id })
    }
}
