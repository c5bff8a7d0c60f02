//! What a script finds in what is mounted, and writes to it.

use super::super::files::Write;
use super::content::Content;
use super::machine::{Machine, Mount};

impl Machine<'_> {
    /// A path from the root on, without dots.
    pub(super) fn absolute(&self, path: &str) -> String {
        let joined = if path.starts_with('/') {
            path.to_owned()
        } else {
            format!("{}/{path}", self.directory)
        };
        let mut parts: Vec<&str> = Vec::new();
        for part in joined.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    parts.pop();
                }
                part => parts.push(part),
            }
        }
        format!("/{}", parts.join("/"))
    }

    /// What is mounted at a path, and the path in it.
    pub(super) fn mount(&self, path: &str) -> Option<(&Mount, String)> {
        let path = self.absolute(path);
        self.setting
            .mounts
            .iter()
            .filter_map(|mount| {
                let inner = path.strip_prefix(mount.path.trim_end_matches('/'))?;
                (inner.is_empty() || inner.starts_with('/'))
                    .then(|| (mount, inner.trim_start_matches('/').to_owned()))
            })
            .max_by_key(|(mount, _)| mount.path.len())
    }

    fn written(&self, volume: &str, path: &str) -> Option<Option<&Content>> {
        let own = self
            .writes
            .iter()
            .rev()
            .find(|(v, w)| v == volume && w.path == path);
        let others = self
            .setting
            .files
            .get(volume)
            .and_then(|v| v.read(path, &self.setting.writer, self.time));
        let write = match (own, others) {
            (Some((_, own)), Some(other)) if other.at > own.at => other,
            (Some((_, own)), _) => own,
            (None, other) => other?,
        };
        Some(write.content.as_ref())
    }

    /// What a file holds; none if there is none.
    pub(super) fn read(&self, path: &str) -> Option<Content> {
        match self.absolute(path).as_str() {
            "/dev/null" => return Some(Content::default()),
            "/etc/hostname" => return Some(format!("{}\n", self.setting.hostname).into()),
            _ => {}
        }
        let (mount, inner) = self.mount(path)?;
        if mount.device {
            let size = self.size(mount);
            let content = self
                .written(&mount.volume, "")
                .flatten()
                .cloned()
                .unwrap_or_default();
            return Some(content.overlaid(
                content.len(),
                Content::zeros(size.saturating_sub(content.len())),
            ));
        }
        self.written(&mount.volume, &inner)?.cloned()
    }

    /// How large a mounted volume is, in bytes.
    pub(super) fn size(&self, mount: &Mount) -> u64 {
        // What a container's root has: the node's disk.
        const NODE_DISK: u64 = 20 << 30;
        let volume = self.setting.files.get(&mount.volume);
        volume.and_then(|v| v.size(self.time)).unwrap_or(NODE_DISK)
    }

    /// Bytes that a volume's files take.
    pub(super) fn used(&self, mount: &Mount) -> u64 {
        let paths = self.paths(&mount.volume);
        paths
            .iter()
            .filter_map(|path| self.written(&mount.volume, path).flatten())
            .map(Content::len)
            .sum()
    }

    /// The paths in a volume at which there is something.
    pub(super) fn paths(&self, volume: &str) -> Vec<String> {
        let mut all: std::collections::BTreeSet<String> = self
            .writes
            .iter()
            .filter(|(v, _)| v == volume)
            .map(|(_, write)| write.path.clone())
            .collect();
        if let Some(volume) = self.setting.files.get(volume) {
            all.extend(
                volume
                    .paths(&self.setting.writer, self.time)
                    .into_iter()
                    .map(str::to_owned),
            );
        }
        all.into_iter()
            .filter(|path| self.written(volume, path).is_some_and(|w| w.is_some()))
            .collect()
    }

    pub(super) fn may_write(&self, path: &str) -> Result<(), String> {
        match self.mount(path) {
            None => Err("nonexistent directory".to_owned()),
            Some((mount, _)) if mount.read_only => Err("Read-only file system".to_owned()),
            Some(_) => Ok(()),
        }
    }

    /// Writes a file, or takes it away.
    pub(super) fn write(&mut self, path: &str, content: Option<Content>) -> Result<(), String> {
        self.may_write(path)?;
        let Some((mount, inner)) = self.mount(path) else {
            return Ok(());
        };
        let before = self
            .written(&mount.volume, &inner)
            .flatten()
            .map_or(0, Content::len);
        let after = content.as_ref().map_or(0, Content::len);
        let room = self.size(mount).saturating_sub(if mount.device {
            0
        } else {
            self.used(mount) - before
        });
        if after > room || (mount.full && after > 0) {
            return Err("No space left on device".to_owned());
        }
        let (volume, at) = (mount.volume.clone(), self.time);
        self.writes.push((
            volume,
            Write {
                at,
                path: inner,
                content,
            },
        ));
        Ok(())
    }
}
