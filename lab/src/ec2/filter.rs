//! The filters of EC2's Describe operations. Values of one filter are alternatives, several
//! filters all have to fit; `*` and `?` are wildcards.

use std::collections::BTreeMap;

use crate::call::ServiceError;
use crate::pattern;
use crate::wire::form::Form;

/// Most values of all filters of a request together.
const MOST_VALUES: usize = 200;

/// One filter.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Filter {
    name: String,
    values: Vec<String>,
}

/// A kind of resource that can be filtered.
pub(super) trait Filterable {
    /// Its tags.
    fn tags(&self) -> &BTreeMap<String, String>;

    /// Its values under a filter's name, one of which has to fit; `None` if there is no such filter.
    fn values(&self, filter: &str, account: &str, region: &str) -> Option<Vec<String>>;
}

/// Reads a request's filters.
pub(super) fn filters(form: &Form) -> Result<Vec<Filter>, ServiceError> {
    let mut filters = Vec::new();
    for at in form.structures("Filter") {
        let name = form.get(&format!("{at}.Name")).ok_or_else(|| {
            ServiceError::bad_request(
                "MissingParameter",
                format!("The request must contain the parameter {at}.Name"),
            )
        })?;
        let values: Vec<String> = form
            .list(&format!("{at}.Value"))
            .into_iter()
            .map(str::to_owned)
            .collect();
        if values.is_empty() {
            return Err(ServiceError::bad_request(
                "InvalidParameterValue",
                format!("The filter '{name}' has no values"),
            ));
        }
        filters.push(Filter {
            name: name.to_owned(),
            values,
        });
    }
    if filters
        .iter()
        .map(|filter| filter.values.len())
        .sum::<usize>()
        > MOST_VALUES
    {
        return Err(ServiceError::bad_request(
            "FilterLimitExceeded",
            format!(
                "The maximum number of filter values specified on a single call is {MOST_VALUES}"
            ),
        ));
    }
    Ok(filters)
}

/// Whether a resource fits all filters.
pub(super) fn fits<T: Filterable>(
    resource: &T,
    filters: &[Filter],
    account: &str,
    region: &str,
) -> Result<bool, ServiceError> {
    for filter in filters {
        let fits = if let Some(key) = filter.name.strip_prefix("tag:") {
            resource
                .tags()
                .get(key)
                .is_some_and(|value| filter.takes(value))
        } else if filter.name == "tag-key" {
            resource.tags().keys().any(|key| filter.takes(key))
        } else {
            let values = resource.values(&filter.name, account, region);
            let values = values.ok_or_else(|| unknown(&filter.name))?;
            values.iter().any(|value| filter.takes(value))
        };
        if !fits {
            return Ok(false);
        }
    }
    Ok(true)
}

impl Filter {
    fn takes(&self, value: &str) -> bool {
        self.values
            .iter()
            .any(|pattern| pattern::matches(pattern, value))
    }
}

fn unknown(name: &str) -> ServiceError {
    ServiceError::bad_request(
        "InvalidParameterValue",
        format!("The filter '{name}' is invalid"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Thing(BTreeMap<String, String>);

    impl Filterable for Thing {
        fn tags(&self) -> &BTreeMap<String, String> {
            &self.0
        }

        fn values(&self, filter: &str, account: &str, _region: &str) -> Option<Vec<String>> {
            (filter == "owner-id").then(|| vec![account.to_owned()])
        }
    }

    fn ask(body: &str) -> Result<bool, String> {
        let thing = Thing(BTreeMap::from([
            ("Name".to_owned(), "nonprod-i01-vpc".to_owned()),
            ("Tier".to_owned(), "node".to_owned()),
        ]));
        filters(&Form::parse(body.as_bytes()))
            .and_then(|filters| fits(&thing, &filters, "111122223333", "us-east-1"))
            .map_err(|error| error.code)
    }

    #[test]
    fn values_are_alternatives_and_filters_add_up() {
        let tier = "Filter.1.Name=tag:Tier&Filter.1.Value.1=intra&Filter.1.Value.2=node";
        assert_eq!(ask(tier), Ok(true));
        assert_eq!(
            ask(&format!(
                "{tier}&Filter.2.Name=tag:Name&Filter.2.Value.1=*-vpc"
            )),
            Ok(true)
        );
        assert_eq!(
            ask(&format!(
                "{tier}&Filter.2.Name=tag:Name&Filter.2.Value.1=vpc"
            )),
            Ok(false)
        );
        assert_eq!(ask("Filter.1.Name=tag-key&Filter.1.Value.1=Tier"), Ok(true));
        assert_eq!(
            ask("Filter.1.Name=tag:Absent&Filter.1.Value.1=*"),
            Ok(false)
        );
        assert_eq!(
            ask("Filter.1.Name=owner-id&Filter.1.Value.1=1111*"),
            Ok(true)
        );
        assert_eq!(ask(""), Ok(true));
    }

    #[test]
    fn filters_that_mean_nothing_are_refused() {
        assert_eq!(
            ask("Filter.1.Name=x&Filter.1.Value.1=y"),
            Err("InvalidParameterValue".into())
        );
        assert_eq!(
            ask("Filter.1.Name=state"),
            Err("InvalidParameterValue".into())
        );
        assert_eq!(ask("Filter.1.Value.1=y"), Err("MissingParameter".into()));
        let many: Vec<String> = (1..=201)
            .map(|n| format!("&Filter.1.Value.{n}=x"))
            .collect();
        let many = format!("Filter.1.Name=tag:Tier{}", many.concat());
        assert_eq!(ask(&many), Err("FilterLimitExceeded".into()));
    }
}
