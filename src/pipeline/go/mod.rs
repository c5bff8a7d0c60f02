//! What Go makes of values, YAML and templates, as far as a circlepipe repository can tell.
//!
//! circlepipe is written in Go: its env files are read by `encoding/json` and `gopkg.in/yaml.v2` (whose
//! scalars follow YAML 1.1: `yes` is true, `012` is ten), and its templates are `text/template`s. A drop-in has
//! to read them the same way. Sources: the language and package documentation (`text/template`, `fmt`,
//! `strconv`), and the resolution table of yaml.v2.

mod print;
pub(crate) mod template;
mod value;
mod yaml;

pub(crate) use print::sprintf;
pub(crate) use value::{Map, Value};
pub(crate) use yaml::read_yaml;
