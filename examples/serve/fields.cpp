// SPDX-License-Identifier: MIT
#include "fields.hpp"

#include <cmath>
#include <sstream>

#include "api_error.hpp"

namespace serve {

namespace {

/// Returns "a number from 0 to 1", or less where the range is open.
template <class Number>
std::string range(const char* what, Number least, Number greatest) {
    std::ostringstream made;
    made.imbue(std::locale::classic());
    made << what;
    const bool from = least != std::numeric_limits<Number>::lowest();
    const bool to = greatest != std::numeric_limits<Number>::max();
    if (from && to) {
        made << " from " << least << " to " << greatest;
    } else if (from) {
        made << " >= " << least;
    } else if (to) {
        made << " <= " << greatest;
    }
    return made.str();
}

}  // namespace

json parse_object(const std::string& body) {
    constexpr int deepest = 64;
    constexpr std::size_t max_members = 10'000;  // each is compared with all others of its object
    std::size_t members = 0;
    const auto check = [&](int depth, json::parse_event_t event, json&) {
        if (depth > deepest) throw wrong_field("body", "at most 64 levels of nesting", "more");
        if (event == json::parse_event_t::key && ++members > max_members) {
            throw wrong_field("body", "at most 10000 members of objects", "more");
        }
        return true;
    };
    json made;
    try {
        made = json::parse(body, check);
    } catch (const json::exception& e) {
        std::string_view reason(e.what());
        if (const auto end = reason.find("] "); end != reason.npos) reason.remove_prefix(end + 2);
        throw wrong_field("body", "a JSON object", reason.substr(0, 160));
    }
    if (!made.is_object()) throw wrong_field("body", "a JSON object", described(made));
    return made;
}

std::string described(const json& value) {
    if (value.is_string()) return "a string";
    if (value.is_array()) return "an array";
    if (value.is_object()) return "an object";
    return dump(value);
}

const json* fields::find(std::string_view name) const {
    const auto found = object_.find(name);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
}

std::optional<bool> fields::flag(std::string_view name) const {
    const json* const found = find(name);
    if (found == nullptr) return std::nullopt;
    if (!found->is_boolean()) throw wrong_field(full(name), "true or false", described(*found));
    return found->get<bool>();
}

std::optional<double> fields::number(std::string_view name, double least, double greatest) const {
    const json* const found = find(name);
    if (found == nullptr) return std::nullopt;
    const double value = found->is_number() ? found->get<double>() : std::nan("");
    if (!(value >= least && value <= greatest)) {
        throw wrong_field(full(name), range("a number", least, greatest), described(*found));
    }
    return value;
}

std::optional<std::int64_t> fields::integer(std::string_view name, std::int64_t least, std::int64_t greatest) const {
    const json* const found = find(name);
    if (found == nullptr) return std::nullopt;
    const auto refuse = [&] {
        return wrong_field(full(name), range("an integer", least, greatest), described(*found));
    };
    std::int64_t value = 0;
    if (found->is_number_unsigned()) {
        const auto wide = found->get<std::uint64_t>();
        if (wide > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) throw refuse();
        value = static_cast<std::int64_t>(wide);
    } else if (found->is_number_integer()) {
        value = found->get<std::int64_t>();
    } else {
        const double real = found->is_number_float() ? found->get<double>() : std::nan("");
        if (!(std::abs(real) <= 0x1p53) || real != std::floor(real)) throw refuse();
        value = static_cast<std::int64_t>(real);
    }
    if (value < least || value > greatest) throw refuse();
    return value;
}

std::optional<std::string> fields::text(std::string_view name) const {
    const json* const found = find(name);
    if (found == nullptr) return std::nullopt;
    if (!found->is_string()) throw wrong_field(full(name), "a string", described(*found));
    return found->get<std::string>();
}

std::optional<std::vector<std::string>> fields::texts(std::string_view name) const {
    const json* const found = find(name);
    if (found == nullptr) return std::nullopt;
    if (found->is_string()) return std::vector<std::string>{found->get<std::string>()};
    if (!found->is_array()) throw wrong_field(full(name), "a string or an array of strings", described(*found));
    std::vector<std::string> made;
    for (const json& one : *found) {
        if (!one.is_string()) throw wrong_field(full(name), "strings in the array", described(one));
        made.push_back(one.get<std::string>());
    }
    return made;
}

}  // namespace serve
