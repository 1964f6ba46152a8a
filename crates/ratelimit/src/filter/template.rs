//! Comparing templates of routes with routes and with paths.

/// Whether `route` is `template` inside of a part of the router that is nested at `prefix`.
pub(super) fn is_nested(route: &str, prefix: &str, template: &str) -> bool {
    let rest = route.strip_prefix(prefix.trim_end_matches('/'));
    // Nested at `/api`, the route `/` is `/api`.
    rest.is_some_and(|rest| rest == template || (rest.is_empty() && template == "/"))
}

/// The template relative to `prefix`, if it begins with it.
pub(super) fn relative<'a>(template: &'a str, prefix: &str) -> Option<&'a str> {
    let rest = template.strip_prefix(prefix.trim_end_matches('/'))?;
    if rest.is_empty() { Some("/") } else { rest.starts_with('/').then_some(rest) }
}

/// Whether a route ends in a parameter for the rest of the path, behind which another service
/// decides.
pub(super) fn has_rest(route: &str) -> bool {
    route.contains('*') && route.rsplit('/').next().is_some_and(is_rest)
}

/// Whether a router with this template would match the path.
pub(super) fn fits(template: &str, path: &str) -> bool {
    let (Some(template), Some(path)) = (template.strip_prefix('/'), path.strip_prefix('/')) else {
        return false;
    };
    let mut rest = Some(path);
    let mut segments = template.split('/').peekable();
    while let Some(segment) = segments.next() {
        let Some(path) = rest else { return false };
        if is_rest(segment) && segments.peek().is_none() {
            return !path.is_empty();
        }
        let (found, after) = match path.split_once('/') {
            Some((found, after)) => (found, Some(after)),
            None => (path, None),
        };
        let fits = if is_parameter(segment) { !found.is_empty() } else { found == segment };
        if !fits {
            return false;
        }
        rest = after;
    }
    rest.is_none()
}

/// Whether a route and a template that differ may have been meant to be the same: one ends as the
/// other does, apart from names of parameters, slashes at the ends, and case.
pub(super) fn looks_like(route: &str, template: &str) -> bool {
    if !may_end_alike(route, template) {
        return false;
    }
    let segments = |text| str::split(text, '/').rev().filter(|segment| !segment.is_empty());
    let mut pairs = segments(route).zip(segments(template)).peekable();
    let mut is_literal = false;
    pairs.all(|(found, wanted)| {
        let literal = !is_parameter(found);
        is_literal |= literal;
        let is_same =
            if literal { found.eq_ignore_ascii_case(wanted) } else { is_parameter(wanted) };
        is_same && is_rest(found) == is_rest(wanted)
    }) && is_literal
}

/// Whether their last segments may look alike: a comparison of two bytes for nearly every request.
fn may_end_alike(route: &str, template: &str) -> bool {
    let last = |text: &str| text.trim_end_matches('/').bytes().next_back();
    // Parameters of older routers end in any letter.
    let is_old = |text: &str| text.contains([':', '*']);
    match (last(route), last(template)) {
        (Some(one), Some(other)) => {
            one.eq_ignore_ascii_case(&other) || is_old(route) || is_old(template)
        }
        _ => false,
    }
}

/// `{id}` or `{*rest}`, or `:id` or `*rest` as older routers write them.
fn is_parameter(segment: &str) -> bool {
    let in_braces =
        segment.starts_with('{') && !segment.starts_with("{{") && segment.ends_with('}');
    in_braces || segment.starts_with(':') || segment.starts_with('*')
}

fn is_rest(segment: &str) -> bool {
    segment.starts_with('*') || (segment.starts_with("{*") && segment.ends_with('}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_fits_the_paths_that_a_router_would_match() {
        for (template, fitting, others) in [
            ("/", &["/"][..], &["", "//", "/a", "*"][..]),
            ("/users", &["/users"], &["/users/", "/user", "/users/1", "/Users", "/a/users"]),
            ("/users/", &["/users/"], &["/users", "/users//"]),
            ("/users/{id}", &["/users/1", "/users/a%2Fb"], &["/users", "/users/", "/users/1/2"]),
            ("/users/:id", &["/users/1"], &["/users/"]),
            ("/{a}/{b}", &["/1/2"], &["//2", "/1/", "/1"]),
            ("/files/{*rest}", &["/files/a", "/files/a/b", "/files/a/"], &["/files", "/files/"]),
            ("/pkg.Service/Method", &["/pkg.Service/Method"], &["/pkg.Service/Other"]),
            ("users", &[], &["/users", "users"]),
        ] {
            for path in fitting {
                assert!(fits(template, path), "{template} {path}");
            }
            for path in others {
                assert!(!fits(template, path), "{template} {path}");
            }
        }
    }

    #[test]
    fn a_template_is_relative_to_its_nesting() {
        for (route, prefix, template, expected) in [
            ("/api/users/{id}", "/api", "/users/{id}", true),
            ("/api/users/{id}", "/api/", "/users/{id}", true),
            ("/api", "/api", "/", true),
            ("/api/users", "/api", "/", false),
            ("/apiary/users", "/api", "/users", false),
            ("/{tenant}/users", "/{tenant}", "/users", true),
            ("/users", "/api", "/users", false),
        ] {
            assert_eq!(is_nested(route, prefix, template), expected, "{route} {prefix} {template}");
        }
        assert_eq!(relative("/api/users", "/api"), Some("/users"));
        assert_eq!(relative("/api", "/api/"), Some("/"));
        assert_eq!(relative("/apiary", "/api"), None);
    }

    #[test]
    fn a_template_looks_like_the_routes_it_may_be_meant_for() {
        for (route, template) in [
            ("/users/{id}", "/users/{user_id}"),
            ("/users/{id}", "/users/:id"),
            ("/users/{id}", "users/{id}"),
            ("/users/{id}", "/users/{id}/"),
            ("/users/{id}", "/Users/{id}"),
            ("/api/users/{id}", "/users/{id}"),
            ("/users/{id}", "/api/users/{id}"),
            ("/files/{*rest}", "/files/*path"),
        ] {
            assert!(looks_like(route, template), "{route} {template}");
        }
        for (route, template) in [
            ("/users/{id}", "/users"),
            ("/users/{id}", "/groups/{id}"),
            ("/users/me", "/users/{id}"),
            ("/users/{id}", "/{id}"),
            ("/users/{*rest}", "/users/{id}"),
            ("/", "/users"),
            ("/users", "/"),
        ] {
            assert!(!looks_like(route, template), "{route} {template}");
        }
    }
}
