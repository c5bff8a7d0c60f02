//! The terminal that the live view is drawn on.

use std::io;

use indicatif::TermLike;

/// A terminal whose cursor rests at the left edge between two frames.
///
/// indicatif leaves it behind the last column. There, the `^C` that a terminal echoes begins a new
/// line of which indicatif knows nothing, and the next frame leaves a line of the one before behind.
#[derive(Debug)]
pub(super) struct Parked<T>(pub(super) T);

impl<T: TermLike> TermLike for Parked<T> {
    fn width(&self) -> u16 {
        self.0.width()
    }

    fn height(&self) -> u16 {
        self.0.height()
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_up(n)
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_down(n)
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_right(n)
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_left(n)
    }

    fn write_line(&self, s: &str) -> io::Result<()> {
        self.0.write_line(s)
    }

    fn write_str(&self, s: &str) -> io::Result<()> {
        self.0.write_str(s)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.0.clear_line()
    }

    fn flush(&self) -> io::Result<()> {
        self.0.write_str("\r")?;
        self.0.flush()
    }
}
