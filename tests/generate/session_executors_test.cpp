// SPDX-License-Identifier: MIT
#include <earlyout/generate/session_executors.hpp>

#include <earlyout/core/executor.hpp>

#include "support/catch.hpp"

namespace eo = earlyout;

TEST_CASE("a session has threads of its own, more for the prompt, or lent ones", "[generate][session_executors]") {
    const eo::session_executors one(eo::session_options{});
    CHECK(one.decode().concurrency() == 1);
    CHECK(&one.decode() == &one.prefill());
    const eo::session_executors more(eo::session_options{.threads = 1, .prefill_threads = 3});
    CHECK(more.decode().concurrency() == 1);
    CHECK(more.prefill().concurrency() == 3);
    CHECK(&more.widest() == &more.prefill());
    const eo::session_executors fewer(eo::session_options{.threads = 2, .prefill_threads = 1});
    CHECK(&fewer.widest() == &fewer.decode());
    eo::inline_executor lent;
    const eo::session_executors by_others(eo::session_options{.threads = 4, .prefill_threads = 2, .run_on = &lent});
    CHECK(&by_others.decode() == &lent);
    CHECK(&by_others.prefill() == &lent);
}
