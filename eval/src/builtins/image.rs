//! `image`: trees and files with a configuration.

use std::collections::BTreeMap;

use sinter_graph::config::{Healthcheck, ImageFields};
use sinter_graph::derivation::{Image, Item, NodeId};
use sinter_lang::source::Span;

use super::formats;
use crate::arguments::Arguments;
use crate::budget::{Outcome, Stop};
use crate::evaluator::Evaluator;
use crate::value::Value;

impl Evaluator<'_> {
    pub(super) fn image(&mut self, arguments: &Arguments<'_>) -> Outcome<Value> {
        let fields = self.image_fields(arguments);
        let layers = self.merge_items(arguments, "layers");
        let (fields, layers) = (fields?, layers?);
        let configuration_from = self.configuration_from(arguments);
        // What an image stands on is in it, also if the layers would not bring it along.
        let below = configuration_from.map(Item::Tree);
        let mut items: Vec<Item> = below.iter().cloned().collect();
        items.extend(layers.into_iter().filter(|item| Some(item) != below.as_ref()));
        let name = if arguments.given.contains_key("layers") { "layers" } else { "from" };
        let place = (name, arguments.span(name));
        let tree = self.merged(items, fields.workdir.as_ref(), configuration_from, place);
        let origin = self.origin(arguments.call);
        let image = Image { tree, configuration_from, fields };
        let name = self.name.clone();
        Ok(Value::Tree(self.builder.add(&name, image.into(), origin)))
    }

    fn configuration_from(&self, arguments: &Arguments<'_>) -> Option<NodeId> {
        match arguments.value("from") {
            Some(Value::Tree(node)) if !self.is_scratch(*node) => Some(*node),
            _ => None,
        }
    }

    fn image_fields(&mut self, arguments: &Arguments<'_>) -> Outcome<ImageFields> {
        // Every field is looked at before the first fault ends the call.
        let env = self.env(arguments);
        let path = self.search_path(arguments);
        let user = self.user(arguments, "user");
        let workdir = self.absolute_path(arguments, "workdir");
        let entrypoint = self.command(arguments, "entrypoint");
        let cmd = self.command(arguments, "cmd");
        let expose = self.expose(arguments);
        let volumes = self.volumes(arguments);
        let labels = self.labels(arguments);
        let stop_signal = self.stop_signal(arguments);
        let healthcheck = self.healthcheck(arguments);
        Ok(ImageFields {
            env: env?,
            path: path?,
            user: user?,
            workdir: workdir?,
            entrypoint: entrypoint?,
            cmd: cmd?,
            expose: expose?,
            volumes: volumes?,
            labels: labels?,
            stop_signal: stop_signal?,
            healthcheck: healthcheck?,
        })
    }

    // An empty list is a way to take back what is inherited.
    fn command(&mut self, arguments: &Arguments<'_>, name: &str) -> Outcome<Option<Vec<String>>> {
        match arguments.texts(name) {
            Some(words) if words.is_empty() || name == "cmd" => {
                self.no_nul(words.iter().map(String::as_str), arguments.span(name))?;
                Ok(Some(words))
            }
            Some(words) => self.words(arguments, name, words).map(Some),
            None => Ok(None),
        }
    }

    fn expose(&mut self, arguments: &Arguments<'_>) -> Outcome<Option<Vec<String>>> {
        self.each(arguments, "expose", |evaluator, text, span| match formats::port(text) {
            Ok(port) => Ok(port),
            Err(reason) => evaluator.wrong(span, text, reason),
        })
    }

    fn volumes(&mut self, arguments: &Arguments<'_>) -> Outcome<Option<Vec<String>>> {
        self.each(arguments, "volumes", |evaluator, text, span| {
            evaluator.absolute(text, span).map(|path| path.to_string())
        })
    }

    /// The items of a list, each checked and put into its normal form; all faults are reported.
    fn each(
        &mut self,
        arguments: &Arguments<'_>,
        name: &str,
        mut check: impl FnMut(&mut Self, &str, Span) -> Outcome<String>,
    ) -> Outcome<Option<Vec<String>>> {
        let Some(texts) = arguments.texts(name) else { return Ok(None) };
        let mut checked: Vec<String> = Vec::new();
        let mut wrong = None;
        for (index, text) in texts.iter().enumerate() {
            match check(self, text, arguments.item_span(name, index)) {
                Ok(text) if checked.contains(&text) => {}
                Ok(text) => checked.push(text),
                Err(stop) => wrong = Some(stop),
            }
        }
        wrong.map_or(Ok(Some(checked)), Err)
    }

    fn labels(&mut self, arguments: &Arguments<'_>) -> Outcome<BTreeMap<String, String>> {
        let mut labels = BTreeMap::new();
        for (name, value) in arguments.map("labels") {
            if name.is_empty() {
                return self.wrong(arguments.span("labels"), "", "a label has a name");
            }
            labels.insert(name, value);
        }
        Ok(labels)
    }

    fn stop_signal(&mut self, arguments: &Arguments<'_>) -> Outcome<Option<String>> {
        let Some(text) = arguments.text("stop_signal") else { return Ok(None) };
        match formats::signal(&text) {
            Ok(signal) => Ok(Some(signal)),
            Err(reason) => self.wrong(arguments.span("stop_signal"), &text, reason),
        }
    }

    fn healthcheck(&mut self, arguments: &Arguments<'_>) -> Outcome<Option<Healthcheck>> {
        let Some(Value::Record(fields)) = arguments.value("healthcheck").cloned() else { return Ok(None) };
        let Some(Value::List(test)) = fields.get("test") else { return Err(Stop) };
        let test: Vec<String> = test.iter().filter_map(Value::to_text).collect();
        let mut nanos = |name: &str| {
            let Some(text) = fields.get(name).and_then(Value::to_text) else { return Ok(0) };
            let span = arguments.entry_span("healthcheck", name);
            formats::duration(&text).or_else(|reason| self.wrong(span, &text, reason))
        };
        let (interval, timeout, start) = (nanos("interval"), nanos("timeout"), nanos("start_period"));
        let retries = match fields.get("retries") {
            Some(Value::Int(count)) => *count,
            _ => 0,
        };
        let Ok(retries) = u64::try_from(retries) else {
            let span = arguments.entry_span("healthcheck", "retries");
            return self.wrong(span, &retries.to_string(), "a number of retries is not negative");
        };
        let test = self.words(arguments, "healthcheck", test)?;
        Ok(Some(Healthcheck {
            test,
            interval_nanos: interval?,
            timeout_nanos: timeout?,
            start_period_nanos: start?,
            retries,
        }))
    }
}
