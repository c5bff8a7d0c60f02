//! How many files the process may have open at once. A connection is one.

/// What Unix systems allow at least in practice, for where the system doesn't say.
const ASSUMED: u64 = 256;

/// Raises the limit as far as the system lets this process, and tells what it is now.
///
/// Many systems start a process with a soft limit of 1024 for the sake of programs that use
/// `select(2)`; psk doesn't. Source: setrlimit(2); systemd's "File Descriptor Limits".
pub fn raise() -> u64 {
    rlimit::increase_nofile_limit(rlimit::INFINITY)
        .or_else(|_| rlimit::Resource::NOFILE.get_soft())
        .unwrap_or(ASSUMED)
}
