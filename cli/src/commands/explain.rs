//! `sinter explain CODE`.

use crate::catalog;
use crate::console;
use crate::failure::Failure;

pub(crate) fn run(code: Option<&str>) -> Result<(), Failure> {
    let Some(code) = code else {
        return catalog::pages().try_for_each(|page| console::data(&format!("{}  {}", page.code, page.title)));
    };
    let wanted = code.to_ascii_uppercase();
    let page = catalog::pages().find(|page| page.code == wanted).ok_or_else(|| {
        Failure::usage(format!("there is no diagnostic code `{code}`"), "`sinter explain` lists all codes")
    })?;
    let mut text = format!("{}: {}\n\n{}", page.code, page.title, page.text.trim_end());
    for (title, example) in [("Wrong:", page.bad), ("Right:", page.good)] {
        if let Some(example) = example {
            text.push_str(&format!("\n\n{title}\n"));
            example.trim_end().lines().for_each(|line| text.push_str(&format!("\n    {line}")));
        }
    }
    console::data(&text)
}
