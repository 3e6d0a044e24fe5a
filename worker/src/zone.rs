//! Time zones from the runtime's own database: a crate that brings one would weigh as much as a quarter of the module.

use std::{cell::RefCell, collections::HashMap};

use rollcall_core::{
    directory::zone::{Offsets, UnknownZone, Zone},
    time::Timestamp,
};
use wasm_bindgen::{JsCast as _, JsValue};
use worker::js_sys::{Array, Date, Function, Object, Reflect, global};

/// Since 1970 no clock was changed but at a quarter of an hour.
const QUARTER_SECS: i64 = 900;
/// Offsets that are remembered: forty days of a list.
const MOST: usize = 4_096;

thread_local! {
    /// The formatter of the one zone that is configured, and what it said.
    static CLOCKS: RefCell<Clocks> = RefCell::default();
}

#[derive(Default)]
struct Clocks {
    format: Option<Function>,
    offsets: HashMap<i64, i64>,
}

struct Runtime;

/// The zone with this name, such as `Asia/Shanghai`.
pub(crate) fn zone(name: &str) -> Result<Zone, UnknownZone> {
    if name == "UTC" {
        return Ok(Zone::default());
    }
    let format = formatter(name).ok().filter(|format| ask(format, 0).is_some());
    let format = format.ok_or_else(|| UnknownZone(name.to_owned()))?;
    CLOCKS.with_borrow_mut(|clocks| *clocks = Clocks { format: Some(format), offsets: HashMap::new() });
    Ok(Zone::of(Runtime))
}

impl Offsets for Runtime {
    fn at(&self, instant: Timestamp) -> i64 {
        CLOCKS.with_borrow_mut(|clocks| clocks.at(instant.secs()))
    }
}

impl Clocks {
    fn at(&mut self, secs: i64) -> i64 {
        let quarter = secs.div_euclid(QUARTER_SECS);
        if let Some(offset) = self.offsets.get(&quarter) {
            return *offset;
        }
        // It answered for the zone's first instant; what it cannot tell is far outside of any calendar.
        let offset = self.format.as_ref().and_then(|format| ask(format, secs)).unwrap_or_default();
        if quarter >= 0 {
            if self.offsets.len() >= MOST {
                self.offsets.clear();
            }
            self.offsets.insert(quarter, offset);
        }
        offset
    }
}

/// `new Intl.DateTimeFormat("en-US", { timeZone, timeZoneName: "longOffset" }).format`
fn formatter(name: &str) -> Result<Function, JsValue> {
    let options = Object::new();
    Reflect::set(&options, &"timeZone".into(), &name.into())?;
    Reflect::set(&options, &"timeZoneName".into(), &"longOffset".into())?;
    let intl = Reflect::get(&global(), &"Intl".into())?;
    let constructor: Function = Reflect::get(&intl, &"DateTimeFormat".into())?.dyn_into()?;
    let format = Reflect::construct(&constructor, &Array::of2(&"en-US".into(), &options))?;
    Reflect::get(&format, &"format".into())?.dyn_into()
}

#[allow(clippy::cast_precision_loss, reason = "whole milliseconds of any calendar fit a double")]
fn ask(format: &Function, secs: i64) -> Option<i64> {
    let date = Date::new(&JsValue::from_f64(secs as f64 * 1000.0));
    let text = format.call1(&JsValue::UNDEFINED, &date).ok()?.as_string()?;
    read(&text)
}

/// The offset at the end of `7/16/2025, GMT+08:00`.
fn read(text: &str) -> Option<i64> {
    let (_, offset) = text.split_once("GMT")?;
    let Some(sign) = offset.chars().next() else { return Some(0) };
    let sign = match sign {
        '+' => 1,
        '-' | '\u{2212}' => -1,
        _ => return None,
    };
    let units = offset.chars().skip(1).collect::<String>();
    let mut secs = 0;
    for (unit, text) in [3600, 60, 1].into_iter().zip(units.split(':')) {
        secs += unit * text.trim().parse::<i64>().ok()?;
    }
    Some(sign * secs)
}
