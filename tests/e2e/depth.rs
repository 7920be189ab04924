//! A chain of more steps than the kernel takes lower directories.

use crate::support::{Built, Place, SINTER, run};

/// The kernel takes 500 (`OVL_MAX_STACK`).
const STEPS: usize = 520;

#[test]
fn chain_is_longer_than_the_kernel_mounts() {
    let mut text = String::new();
    for step in 1..=STEPS {
        let from = if step == 1 { "small".to_owned() } else { format!("s{}", step - 1) };
        text += &format!(
            "let s{step} = run {{\n  from   = {from}\n  script = sh \"\"\"\n    echo {step} > /s{step}\n  \"\"\"\n}}\n"
        );
    }
    text += &format!(
        "let last = run {{\n  from = s{STEPS}\n  script = sh \"\"\"\n    cat /small /s1 /s{STEPS} > /seen\n  \"\"\"\n}}\ntarget it = last\n"
    );
    let place = Place::small(&text);
    let few = place.program("bash", &["-c", &format!("ulimit -n 256; exec {SINTER} build -o dir:out")]);
    assert_eq!(Built::of(&run(few)).ran, STEPS + 2);
    assert_eq!(place.read("out/seen"), format!("small\n1\n{STEPS}\n"));
}
