//! `sinter explain CODE`.

use crate::catalog;
use crate::failure::Failure;

pub(crate) fn run(code: Option<&str>) -> Result<(), Failure> {
    let Some(code) = code else {
        catalog::pages().for_each(|page| println!("{}  {}", page.code, page.title));
        return Ok(());
    };
    let wanted = code.to_ascii_uppercase();
    let page = catalog::pages().find(|page| page.code == wanted).ok_or_else(|| {
        Failure::usage(format!("there is no diagnostic code `{code}`"), "`sinter explain` lists all codes")
    })?;
    println!("{}: {}\n\n{}", page.code, page.title, page.text.trim_end());
    for (title, example) in [("Wrong:", page.bad), ("Right:", page.good)] {
        if let Some(example) = example {
            println!("\n{title}\n");
            example.trim_end().lines().for_each(|line| println!("    {line}"));
        }
    }
    Ok(())
}
