// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CORE_DISPATCH_HPP
#define EARLYOUT_CORE_DISPATCH_HPP

#include <earlyout/core/config.hpp>
#include <earlyout/core/error.hpp>

#include <atomic>
#include <cstddef>
#include <functional>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

/// @file One program for all processors: sources that earlyout_add_dispatched (CMake) compiles once for each
/// instruction set, and the choice between them when the program runs.

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Describes the code that was compiled for one instruction set. CMake makes a list of them, the widest last.
struct variant {
    using initializer = void (*)(int, char**, char**);

    std::string_view name;  ///< as earlyout_add_dispatched was given it: "avx2"
    bool (*runs_here)();    ///< whether this process may run it
    /// Its static initializers, which run when it is chosen: before main() they could be of a wider instruction set.
    const initializer* first = {};
    const initializer* last = {};
    std::atomic<bool> is_initialized = false;
};

/// Chooses between the variants of one target, on first use: the last in the list that the processor and its system
/// run. May be used by several threads.
class dispatcher {
public:
    /// Makes a dispatcher; the first of the variants must run everywhere.
    constexpr explicit dispatcher(std::span<variant> variants) noexcept : variants_(variants) {}

    /// Returns all variants, in the order in which they were given to CMake.
    [[nodiscard]] std::span<const variant> variants() const noexcept { return variants_; }

    /// Returns the variant that functions are called of, and chooses it where that is still open.
    [[nodiscard]] const variant& chosen() { return variants_[index()]; }

    /// Chooses a variant by name, in place of the widest. What another one made before remains that one's.
    /// @throws error (invalid_argument) when there is none of that name, (unsupported) when it does not run here
    void choose(std::string_view name) {
        const std::size_t found = find(name);
        initialize(found);
        chosen_.store(found, std::memory_order_release);
    }

    /// Returns the place of the chosen variant in variants().
    [[nodiscard]] std::size_t index() {
        const std::size_t before = chosen_.load(std::memory_order_acquire);
        if (before != open) return before;
        std::size_t widest = variants_.size() - 1;
        while (widest != 0 && !variants_[widest].runs_here()) --widest;
        initialize(widest);
        std::size_t expected = open;
        chosen_.compare_exchange_strong(expected, widest, std::memory_order_acq_rel);
        return chosen_.load(std::memory_order_acquire);
    }

    /// Returns the place of a variant that runs here, by its name.
    /// @throws error as choose()
    [[nodiscard]] std::size_t find(std::string_view name) const {
        std::string names;
        for (std::size_t i = 0; i < variants_.size(); ++i) {
            if (variants_[i].name == name) {
                if (variants_[i].runs_here()) return i;
                fail(errc::unsupported, "instruction set: expected one that this processor and its system have, found ",
                     name);
            }
            names += (names.empty() ? "" : ", ") + std::string(variants_[i].name);
        }
        fail(errc::invalid_argument, "instruction set: expected one that was compiled (", names, "), found '", name,
             "'");
    }

    /// Runs a variant's static initializers unless they have run.
    void initialize(std::size_t index) {
        variant& which = variants_[index];
        if (which.is_initialized.load(std::memory_order_acquire)) return;
        const std::lock_guard lock(initializing_);
        if (which.is_initialized.load(std::memory_order_relaxed)) return;
        for (const variant::initializer* one = which.first; one != which.last; ++one) (*one)(0, nullptr, nullptr);
        which.is_initialized.store(true, std::memory_order_release);
    }

private:
    static constexpr std::size_t open = static_cast<std::size_t>(-1);

    std::span<variant> variants_;
    std::mutex initializing_;
    std::atomic<std::size_t> chosen_ = open;
};

/// Calls the chosen variant's function. EARLYOUT_DISPATCHED makes one.
template <class Signature>
class dispatched;

template <class Result, class... Parameters>
class dispatched<Result(Parameters...)> {
public:
    using function = Result (*)(Parameters...);

    constexpr dispatched(earlyout::dispatcher& between, const function* functions) noexcept
        : between_(&between), functions_(functions) {}

    /// Calls the function.
    Result operator()(Parameters... parameters) const {
        return functions_[between_->index()](std::forward<Parameters>(parameters)...);
    }
    /// Returns the function of one variant, whichever is chosen.
    /// @throws error as dispatcher::choose()
    [[nodiscard]] function in(std::string_view name) const {
        const std::size_t found = between_->find(name);
        between_->initialize(found);
        return functions_[found];
    }
    /// Returns what chooses; one for all functions of a target.
    [[nodiscard]] earlyout::dispatcher& dispatcher() const noexcept { return *between_; }

private:
    earlyout::dispatcher* between_;
    const function* functions_;
};

}}  // namespace earlyout::EARLYOUT_ABI

// EARLYOUT_DISPATCHED(name, R(A...)) declares a function that every variant defines, as EARLYOUT_VARIANT::name, and
// outside of them `name`, which calls the chosen one's. It stands at namespace scope, in a header that both include.
#if defined(EARLYOUT_VARIANT)
#define EARLYOUT_DISPATCHED(name, ...) EARLYOUT_DETAIL_DECLARE_IN(EARLYOUT_VARIANT, name, __VA_ARGS__)
#else
#if defined(EARLYOUT_DISPATCH_LIST)
#include EARLYOUT_DISPATCH_LIST
#else
// Without earlyout_add_dispatched there is one variant, of the program's own flags.
#define EARLYOUT_VARIANT earlyout_only_variant
#define EARLYOUT_DETAIL_VARIANTS(apply, ...) apply(EARLYOUT_VARIANT, __VA_ARGS__)
#define EARLYOUT_DETAIL_DISPATCHER ::earlyout::detail::only_dispatcher
namespace earlyout { inline namespace EARLYOUT_ABI { namespace detail {
inline variant only_variant[] = {{.name = instruction_set, .runs_here = [] { return true; }}};
inline dispatcher only_dispatcher{only_variant};
}}}  // namespace earlyout::EARLYOUT_ABI::detail
#endif
#define EARLYOUT_DISPATCHED(name, ...)                                                      \
    EARLYOUT_DETAIL_VARIANTS(EARLYOUT_DETAIL_DECLARE_IN, name, __VA_ARGS__)                 \
    inline constexpr ::earlyout::dispatched<__VA_ARGS__>::function name##_of_variants[] = { \
        EARLYOUT_DETAIL_VARIANTS(EARLYOUT_DETAIL_ADDRESS_IN, name)};                        \
    inline constexpr ::earlyout::dispatched<__VA_ARGS__> name { EARLYOUT_DETAIL_DISPATCHER, name##_of_variants }
#define EARLYOUT_DETAIL_ADDRESS_IN(space, name) &space::name,
#endif
#define EARLYOUT_DETAIL_DECLARE_IN(space, name, ...) \
    namespace space {                                \
    std::type_identity_t<__VA_ARGS__> name;          \
    }

#endif
