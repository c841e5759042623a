//! `option` lines: every setting of a session by its name.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use concilium_core::MemberId;
use concilium_liveness::Timing;
use concilium_session::{Everybody, Moderators, Settings};

use super::parse::duration;

/// The settings of all sessions, and the two figures as the file gives them, in any order.
#[derive(Clone, Debug)]
pub(super) struct Options {
    /// The settings so far.
    pub(super) settings: Settings,
    broadcast_latency: Duration,
    full_ack: Duration,
}

impl Default for Options {
    fn default() -> Self {
        let mut settings = Settings::default();
        // In a scenario members do what its lines say, and are where its lines have put them.
        settings.reunite = false;
        Self {
            broadcast_latency: settings.timing.broadcast_latency(),
            full_ack: settings.timing.full_ack(),
            settings,
        }
    }
}

impl Options {
    /// Sets one setting.
    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let settings = &mut self.settings;
        match name {
            "auto-include" => settings.auto_include = switch(value)?,
            "stay-if-last" => settings.stay_if_last = switch(value)?,
            "reunite" => settings.reunite = switch(value)?,
            "deniable" => settings.deniable = switch(value)?,
            "broadcast-latency" => self.broadcast_latency = duration(value)?,
            "full-ack" => self.full_ack = duration(value)?,
            "max-proposals" => settings.max_proposals = number(value)?,
            "refresh-after" => settings.refresh_after = or_off(value)?,
            "policy" if value == "everybody" => settings.policy = Arc::new(Everybody),
            "policy" => {
                return Err(format!(
                    "`{value}` is neither everybody nor moderators with their names"
                ));
            }
            _ => return Err(format!("there is no option `{name}`")),
        }
        self.settings.timing = Timing::new(self.broadcast_latency, self.full_ack);
        Ok(())
    }
}

impl Options {
    /// Only these may include and exclude (O-12).
    pub(super) fn moderate(&mut self, moderators: Vec<MemberId>) {
        self.settings.policy = Arc::new(Moderators::new(moderators));
    }
}

fn switch(value: &str) -> Result<bool, String> {
    match value {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(format!("`{value}` is neither on nor off")),
    }
}

fn number<N: FromStr>(value: &str) -> Result<N, String> {
    value
        .parse()
        .map_err(|_| format!("`{value}` is not a fitting number"))
}

fn or_off(value: &str) -> Result<Option<Duration>, String> {
    match value {
        "off" => Ok(None),
        value => duration(value).map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A setting without an option could not be tried in any scenario.
    #[test]
    fn every_setting_has_an_option() {
        let serde_json::Value::Object(fields) = serde_json::to_value(Settings::default()).unwrap() else {
            panic!("settings have fields")
        };
        for field in fields.keys().filter(|field| *field != "timing") {
            let option = field.replace('_', "-");
            let known = ["on", "3", "3s", "everybody"]
                .into_iter()
                .any(|value| Options::default().set(&option, value).is_ok());
            assert!(known, "{option}");
        }
    }

    #[test]
    fn l07_the_two_figures_are_set_one_by_one_in_any_order() {
        let (mut one, mut two) = (Options::default(), Options::default());
        one.set("broadcast-latency", "100ms").unwrap();
        one.set("full-ack", "4s").unwrap();
        two.set("full-ack", "4s").unwrap();
        two.set("broadcast-latency", "100ms").unwrap();
        assert_eq!(
            one.settings.timing,
            Timing::new(Duration::from_millis(100), Duration::from_secs(4))
        );
        assert_eq!(one.settings, two.settings);
    }
}
