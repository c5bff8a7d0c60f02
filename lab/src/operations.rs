//! The operations of a service, each with what answers it or with where it is found.

use http::Method;

use crate::wire::path::labels;

/// A service's operations by name. What the lab serves is told by these tables alone, so that a test
/// can ask for a check of each.
pub(crate) struct Operations<F: 'static>(pub(crate) &'static [(&'static str, F)]);

impl<F: Copy> Operations<F> {
    /// What answers an operation, if the lab serves it.
    pub(crate) fn find(&self, name: &str) -> Option<F> {
        let found = self.0.iter().find(|(operation, _)| *operation == name);
        found.map(|(_, serve)| *serve)
    }

    /// Every operation's name.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|(operation, _)| *operation)
    }
}

/// A service's operations by method and path, where a segment in braces stands for any one segment.
pub(crate) struct Routes(pub(crate) &'static [(Method, &'static str, &'static str)]);

impl Routes {
    /// The operation that a method and a path mean, if the lab serves it.
    pub(crate) fn find(&self, method: &Method, path: &str) -> Option<&'static str> {
        let mut of_method = self.0.iter().filter(|(of, ..)| of == method);
        let found = of_method.find(|(_, pattern, _)| labels(pattern, path).is_some());
        found.map(|(_, _, operation)| *operation)
    }

    /// Every operation's name.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|(_, _, operation)| *operation)
    }
}
