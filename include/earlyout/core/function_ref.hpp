// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CORE_FUNCTION_REF_HPP
#define EARLYOUT_CORE_FUNCTION_REF_HPP

#include <earlyout/core/config.hpp>

#include <memory>
#include <type_traits>
#include <utility>

namespace earlyout { inline namespace EARLYOUT_ABI {

template <class Signature>
class function_ref;

/// A reference to something callable: two pointers, no ownership, no allocation. The callable must
/// outlive the call it is passed to, which a temporary in an argument list does.
template <class Result, class... Arguments>
class function_ref<Result(Arguments...)> {
public:
    template <class F>
        requires(!std::is_same_v<std::remove_cvref_t<F>, function_ref> &&
                 std::is_invocable_r_v<Result, F&, Arguments...>)
    // NOLINTNEXTLINE(google-explicit-constructor): implicit on purpose, like a function pointer
    function_ref(F&& callable) noexcept
        : object_(const_cast<void*>(static_cast<const void*>(std::addressof(callable)))),
          call_([](void* object, Arguments... arguments) -> Result {
              return (*static_cast<std::remove_reference_t<F>*>(object))(std::forward<Arguments>(arguments)...);
          }) {}

    Result operator()(Arguments... arguments) const { return call_(object_, std::forward<Arguments>(arguments)...); }

private:
    void* object_;
    Result (*call_)(void*, Arguments...);
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
