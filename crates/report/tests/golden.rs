//! Golden tests: what every sample host looks like.

use judge::judge;
use report::escape::Text;
use report::text::{Screen, View, overview};

fn view(width: usize) -> View {
    View {
        screen: Screen { width, color: false },
        all: false,
        connected: false,
        note: Text::fixed("0.02 s"),
    }
}

#[test]
fn see() {
    for (name, snapshot) in judge::sample::all() {
        for width in [96, 60] {
            let mut out = Vec::new();
            overview(&mut out, &judge(&snapshot), &view(width)).unwrap();
            println!("=== {name} {width}\n{}", String::from_utf8(out).unwrap());
        }
    }
}
