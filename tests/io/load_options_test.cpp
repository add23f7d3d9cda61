// SPDX-License-Identifier: MIT
#include <earlyout/io/load_options.hpp>

#include <earlyout/io/load.hpp>
#include <earlyout/models/gpt2.hpp>

#include <cstddef>
#include <stdexcept>

#include "support/catch.hpp"

namespace eo = earlyout;

TEST_CASE("loading runs on the program's threads and reports its progress", "[io][load_options]") {
    class counting final : public eo::executor {
    public:
        std::size_t concurrency() const noexcept override { return 2; }
        void run(std::size_t pieces, eo::function_ref<void(std::size_t)> body) override {
            ++runs;
            for (std::size_t piece = 0; piece < pieces; ++piece) body(piece);
        }
        int runs = 0;
    } on;
    std::size_t last = 0, total = 0, calls = 0;
    const eo::io::load_options options{.on = &on, .progress = [&](std::size_t done, std::size_t all) {
                                           CHECK(done >= last);
                                           last = done;
                                           total = all;
                                           ++calls;
                                       }};
    using small = eo::gpt2<eo::int8>;
    const auto model = eo::io::load<small>(EARLYOUT_EXAMPLE_MODEL, eo::int8{}, eo::int8{}, options);
    CHECK(on.runs > 0);
    CHECK(calls > model.network().shape().layers);
    CHECK(last == total);
    CHECK(total > 1'000'000);
    const auto alone = eo::io::load<small>(EARLYOUT_EXAMPLE_MODEL);
    CHECK(alone.network().output().bytes() == model.network().output().bytes());
    const eo::io::load_options ending{.progress = [](std::size_t, std::size_t) { throw std::runtime_error("enough"); }};
    CHECK_THROWS_AS(eo::io::load<small>(EARLYOUT_EXAMPLE_MODEL, eo::int8{}, eo::int8{}, ending), std::runtime_error);
}
