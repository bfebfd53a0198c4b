use super::*;

#[test]
fn object_paths() {
    let check = |name: &str, expect: &str| {
        assert_eq!(object_path(name), format!("/org/freedesktop/systemd1/unit/{expect}"));
    };
    check("ssh.service", "ssh_2eservice");
    check("user@1000.service", "user_401000_2eservice");
    check("9p-ö.mount", "_39p_2d_c3_b6_2emount");
}
