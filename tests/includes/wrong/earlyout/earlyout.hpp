#include <earlyout/core/error.hpp>
#include <earlyout/io/load.hpp>
