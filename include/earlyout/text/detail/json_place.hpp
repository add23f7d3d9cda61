// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TEXT_DETAIL_JSON_PLACE_HPP
#define EARLYOUT_TEXT_DETAIL_JSON_PLACE_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/text/json.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace text::detail {

/// A value in a tokenizer file and its path, for errors. Refers to the value.
class json_place {
public:
    json_place(const json& value, std::string name) : value_(&value), name_(std::move(name)) {}

    [[nodiscard]] const json& value() const noexcept { return *value_; }
    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    [[nodiscard]] bool is_null() const noexcept { return value_->is_null(); }

    /// Returns a member of an object; null if it has none.
    [[nodiscard]] json_place at(const char* key) const {
        static const json none;
        require(value_->is_object(), "an object");
        const auto found = value_->find(key);
        return {found == value_->end() ? none : *found, name_ + ": " + key};
    }
    /// Returns an element of an array, below size().
    [[nodiscard]] json_place at(std::size_t index) const {
        return {(*value_)[index], name_ + "[" + std::to_string(index) + "]"};
    }
    /// Returns the number of elements of an array.
    [[nodiscard]] std::size_t size() const {
        require(value_->is_array(), "an array");
        return value_->size();
    }
    [[nodiscard]] const std::string& string() const {
        require(value_->is_string(), "a string");
        return value_->get_ref<const std::string&>();
    }
    /// @param otherwise the value for null
    [[nodiscard]] bool boolean(bool otherwise) const {
        require(is_null() || value_->is_boolean(), "true or false");
        return is_null() ? otherwise : value_->get<bool>();
    }
    void require(bool right, std::string_view expected) const {
        if (!right) refuse(errc::malformed_file, expected);
    }
    [[noreturn]] void refuse(errc code, std::string_view expected) const {
        const bool large = value_->is_structured() && !value_->empty();
        fail(code, name_, ": expected ", expected, ", found ",
             large ? value_->type_name() : short_reason(value_->dump(-1, ' ', true)));
    }

private:
    const json* value_;
    std::string name_;
};

/// Refuses a step of a tokenizer's Sequence that lies too deep: the readers recurse.
/// @param depth the number of Sequences around it
inline void check_sequence_depth(const json_place& step, int depth) {
    constexpr int max_depth = 8;
    if (depth > max_depth) step.refuse(errc::malformed_file, "at most 8 levels of Sequence");
}

}  // namespace text::detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
