//! A stand-in for 1Password's CLI.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;

/// An executable `op` in a directory of its own, which goes when it is dropped.
pub(crate) struct FakeOp(TempDir);

/// An `op` that answers by the arms of a shell's `case` over its first two arguments. It is refused
/// where the service account's token is missing.
pub(crate) fn fake_op(arms: &str) -> FakeOp {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path().display();
    let script = format!(
        "#!/bin/sh\n\
         PATH=/usr/bin:/bin\n\
         cd '{here}'\n\
         echo \"$*\" >> runs\n\
         [ -n \"$OP_SERVICE_ACCOUNT_TOKEN\" ] || {{ echo '[ERROR] no token' >&2; exit 1; }}\n\
         case \"$1 $2\" in\n{arms}\n\
         *) echo \"[ERROR] unknown command $1 $2\" >&2; exit 1;;\nesac\n"
    );
    let path = directory.path().join("op");
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    FakeOp(directory)
}

impl FakeOp {
    /// The directory that it is in, for the path.
    pub(crate) fn path(&self) -> String {
        self.0.path().display().to_string()
    }

    /// The arguments of each run.
    pub(crate) fn runs(&self) -> Vec<String> {
        let runs = self.file("runs");
        runs.lines().map(str::to_owned).collect()
    }

    /// Has it keep that in a file.
    pub(crate) fn keep(&self, name: &str, text: &str) {
        fs::write(self.0.path().join(name), text).unwrap();
    }

    /// What it keeps in a file; nothing if there is none.
    pub(crate) fn file(&self, name: &str) -> String {
        fs::read_to_string(self.0.path().join(name)).unwrap_or_default()
    }
}
