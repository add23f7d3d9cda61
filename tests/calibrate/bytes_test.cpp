// SPDX-License-Identifier: MIT
#include <earlyout/calibrate/bytes.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/errors.hpp"

namespace eo = earlyout;
namespace calibrate = earlyout::calibrate;

namespace {

enum class kind : std::uint8_t { one, two };

struct part {
    std::string name;
    double value = 0.0;
    void archive(auto& a) { a(name, value); }
    friend bool operator==(const part&, const part&) = default;
};

struct whole {
    std::vector<part> parts;
    std::vector<std::vector<float>> rows;
    kind what = kind::one;
    std::size_t count = 0;
    void archive(auto& a) { a(parts, rows, what, count); }
    friend bool operator==(const whole&, const whole&) = default;
};

}  // namespace

TEST_CASE("results survive serialization unchanged", "[calibrate][bytes]") {
    const whole sent{{{"a", 1.5}, {"", -0.0}}, {{1.0f, 2.0f}, {}}, kind::two, 7};
    const std::vector<std::byte> bytes = calibrate::to_bytes(sent);
    CHECK(calibrate::from_bytes<whole>(bytes) == sent);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        INFO(size);
        CHECK(support::error_of([&] { (void)calibrate::from_bytes<whole>(std::span(bytes).first(size)); }).code ==
              "malformed_file");
    }
    std::vector<std::byte> longer = bytes;
    longer.push_back(std::byte{0});
    CHECK(support::error_of([&] { (void)calibrate::from_bytes<whole>(longer); }) ==
          support::thrown(eo::errc::malformed_file, {"its end"}));
    // A count that could not fit in memory is refused before anything is allocated.
    std::vector<std::byte> huge = bytes;
    for (std::size_t i = 0; i < 8; ++i) huge[i] = std::byte{0xff};
    CHECK(support::error_of([&] { (void)calibrate::from_bytes<whole>(huge); }).code == "malformed_file");
}
