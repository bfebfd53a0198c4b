//! The table of costs.

use super::Cost;

/// Prints what each look cost, and how often that goes into the cost of `ss -tulpnw`.
pub(super) fn print(costs: &[Cost]) {
    let Some(ss) = costs.first().map(|cost| cost.cpu.as_secs_f64()) else { return };
    println!("  {:<22} {:>10} {:>12} {:>14}", "", "CPU ms", "peak MiB", "ss / this");
    for cost in costs {
        let cpu = cost.cpu.as_secs_f64();
        let mib = f64::from(u32::try_from(cost.peak_rss_kib).unwrap_or(u32::MAX)) / 1024.0;
        println!("  {:<22} {:>10.1} {mib:>12.1} {:>14.1}", cost.look, cpu * 1e3, ss / cpu);
    }
}
