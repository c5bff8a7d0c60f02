//! DescribeInstanceTypes and DescribeInstanceTypeOfferings.

use std::collections::BTreeSet;

use serde::Serialize;

use super::error::{invalid_value, refusal};
use super::filter::{Filterable, filters, fits};
use super::instance_types::InstanceType;
use super::page::page;
use super::tags::Tags;
use crate::call::{Answer, Call};
use crate::wire::form::Form;
use crate::wire::xml::{self, Items};
use crate::world::World;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DescribeInstanceTypesResult {
    instance_type_set: Items<TypeItem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TypeItem {
    instance_type: String,
    bare_metal: bool,
    burstable_performance_supported: bool,
    supported_usage_classes: Items<&'static str>,
    processor_info: ProcessorInfo,
    #[serde(skip_serializing_if = "Option::is_none")]
    v_cpu_info: Option<VCpuInfo>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_info: Option<MemoryInfo>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ProcessorInfo {
    supported_architectures: Items<&'static str>,
}

#[derive(Serialize)]
struct VCpuInfo {
    #[serde(rename = "defaultVCpus")]
    default_vcpus: u32,
}

#[derive(Serialize)]
struct MemoryInfo {
    #[serde(rename = "sizeInMiB")]
    size: u32,
}

/// A type in the answer of a request that may filter it.
struct Offered {
    kind: InstanceType,
    tags: Tags,
}

impl Filterable for Offered {
    fn tags(&self) -> &Tags {
        &self.tags
    }

    fn values(&self, filter: &str, _account: &str, _region: &str) -> Option<Vec<String>> {
        let kind = &self.kind;
        let number = |number: Option<u32>| number.map(|n| n.to_string()).into_iter().collect();
        let value = match filter {
            "bare-metal" => kind.is_bare_metal().to_string(),
            "burstable-performance-supported" => kind.is_burstable().to_string(),
            "instance-type" => kind.name.clone(),
            "memory-info.size-in-mib" => return Some(number(kind.memory)),
            "processor-info.supported-architecture" => architecture(kind).to_owned(),
            "supported-usage-class" => {
                return Some(USAGE_CLASSES.map(str::to_owned).into());
            }
            "vcpu-info.default-vcpus" => return Some(number(kind.vcpus)),
            _ => return None,
        };
        Some(vec![value])
    }
}

const USAGE_CLASSES: [&str; 2] = ["on-demand", "spot"];

fn architecture(kind: &InstanceType) -> &'static str {
    if kind.arm { "arm64" } else { "x86_64" }
}

/// `DescribeInstanceTypes`.
pub(super) fn types(_: &mut World, call: &Call, form: &Form) -> Answer {
    let names = form.list("InstanceType");
    let unknown: BTreeSet<&str> = names
        .iter()
        .filter(|name| InstanceType::named(name).is_none())
        .copied()
        .collect();
    if !unknown.is_empty() {
        let unknown = unknown.into_iter().collect::<Vec<_>>().join(", ");
        return Err(refusal(
            "InvalidInstanceType",
            format!("The following supplied instance types do not exist: [{unknown}]"),
        ));
    }
    let mut wanted: Vec<InstanceType> = names
        .iter()
        .filter_map(|name| InstanceType::named(name))
        .collect();
    if names.is_empty() {
        wanted = InstanceType::all();
    }
    wanted.sort_by(|one, other| one.name.cmp(&other.name));
    wanted.dedup();
    let filters = filters(form)?;
    let mut fitting = Vec::new();
    for kind in wanted {
        let tags = Tags::new();
        let offered = Offered { kind, tags };
        if fits(&offered, &filters, &call.account, &call.region)? {
            fitting.push(offered.kind);
        }
    }
    let (found, next_token) = page(form, fitting, 5..=100, |kind| &kind.name)?;
    xml::ec2(
        call,
        DescribeInstanceTypesResult {
            instance_type_set: found.into_iter().map(TypeItem::new).collect(),
            next_token,
        },
    )
}

impl TypeItem {
    fn new(kind: InstanceType) -> Self {
        Self {
            bare_metal: kind.is_bare_metal(),
            burstable_performance_supported: kind.is_burstable(),
            supported_usage_classes: USAGE_CLASSES.into_iter().collect(),
            processor_info: ProcessorInfo {
                supported_architectures: [architecture(&kind)].into_iter().collect(),
            },
            v_cpu_info: kind.vcpus.map(|default_vcpus| VCpuInfo { default_vcpus }),
            memory_info: kind.memory.map(|size| MemoryInfo { size }),
            instance_type: kind.name,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DescribeInstanceTypeOfferingsResult {
    instance_type_offering_set: Items<OfferingItem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OfferingItem {
    instance_type: String,
    location_type: String,
    location: String,
    /// What pages go by.
    #[serde(skip)]
    place: String,
    #[serde(skip)]
    tags: Tags,
}

impl Filterable for OfferingItem {
    fn tags(&self) -> &Tags {
        &self.tags
    }

    fn values(&self, filter: &str, _account: &str, _region: &str) -> Option<Vec<String>> {
        let value = match filter {
            "instance-type" => self.instance_type.clone(),
            "location" => self.location.clone(),
            _ => return None,
        };
        Some(vec![value])
    }
}

/// `DescribeInstanceTypeOfferings`. Every type is offered in every zone that has subnets.
pub(super) fn offerings(world: &mut World, call: &Call, form: &Form) -> Answer {
    let subnets = &world.ec2(&call.account, &call.region).subnets;
    let location_type = form.get("LocationType").unwrap_or("region");
    let locations: BTreeSet<&str> = match location_type {
        "region" => BTreeSet::from([call.region.as_str()]),
        "availability-zone" => subnets.values().map(|s| s.zone.as_str()).collect(),
        "availability-zone-id" => subnets.values().map(|s| s.zone_id.as_str()).collect(),
        other => {
            return Err(invalid_value(format!(
                "Value ({other}) for parameter locationType is invalid."
            )));
        }
    };
    let filters = filters(form)?;
    let mut fitting = Vec::new();
    for kind in InstanceType::all() {
        for location in &locations {
            let offering = OfferingItem {
                instance_type: kind.name.clone(),
                location_type: location_type.to_owned(),
                location: (*location).to_owned(),
                place: format!("{} {location}", kind.name),
                tags: Tags::new(),
            };
            if fits(&offering, &filters, &call.account, &call.region)? {
                fitting.push(offering);
            }
        }
    }
    fitting.sort_by(|one, other| one.place.cmp(&other.place));
    let (found, next_token) = page(form, fitting, 5..=1000, |offering| &offering.place)?;
    xml::ec2(
        call,
        DescribeInstanceTypeOfferingsResult {
            instance_type_offering_set: found.into_iter().collect(),
            next_token,
        },
    )
}
