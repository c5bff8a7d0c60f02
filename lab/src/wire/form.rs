//! Parameters of the Query protocols, where lists and structures are flattened into names
//! (`Tags.member.1.Key`, `Filter.1.Value.2`).

use crate::call::Call;

/// The parameters of one request in the order sent.
#[derive(Debug, Clone, Default)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// Those of a request: its body's, and its query string's for a GET.
    pub fn of(call: &Call) -> Self {
        let mut form = Self::parse(&call.body);
        form.0.extend(call.query.iter().cloned());
        form
    }

    /// Those of a body.
    pub fn parse(body: &[u8]) -> Self {
        Self(form_urlencoded::parse(body).into_owned().collect())
    }

    /// The parameter of that name; an empty one is like none.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(k, v)| k == name && !v.is_empty())
            .map(|(_, v)| v.as_str())
    }

    /// The elements of a list of plain values: `prefix` is `VpcId` in EC2's dialect and
    /// `Keys.member` in Query.
    pub fn list(&self, prefix: &str) -> Vec<&str> {
        self.structures(prefix)
            .iter()
            .filter_map(|at| self.raw(at))
            .collect()
    }

    /// The names under which the elements of a list of structures are sent, in their order.
    pub fn structures(&self, prefix: &str) -> Vec<String> {
        let mut indexes: Vec<u32> = self
            .0
            .iter()
            .filter_map(|(name, _)| {
                name.strip_prefix(prefix)?
                    .strip_prefix('.')?
                    .split('.')
                    .next()
            })
            .filter_map(|index| index.parse().ok())
            .collect();
        indexes.sort_unstable();
        indexes.dedup();
        indexes
            .into_iter()
            .map(|index| format!("{prefix}.{index}"))
            .collect()
    }

    /// All parameters, in the order of their names.
    pub fn sorted(&self) -> Vec<(String, String)> {
        let mut pairs = self.0.clone();
        pairs.sort();
        pairs
    }

    /// The names under which anything is sent.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// The parameter of that name, empty or not.
    pub fn raw(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(k, _)| k == name)
            .map(|(_, v)| v.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_come_in_the_order_of_their_numbers() {
        let form = Form::parse(
            b"Filter.2.Name=state&Filter.1.Name=tag%3AName&Filter.1.Value.2=b&Filter.1.Value.1=a\
              &VpcId.10=ten&VpcId.9=nine&VpcIdent.1=other&Empty=",
        );
        assert_eq!(form.structures("Filter"), ["Filter.1", "Filter.2"]);
        assert_eq!(form.get("Filter.1.Name"), Some("tag:Name"));
        assert_eq!(form.list("Filter.1.Value"), ["a", "b"]);
        assert_eq!(form.list("VpcId"), ["nine", "ten"]);
        assert_eq!(form.get("Empty"), None);
        assert_eq!(form.raw("Empty"), Some(""));
    }
}
