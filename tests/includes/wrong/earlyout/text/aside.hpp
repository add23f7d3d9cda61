#include <earlyout/io/load.hpp>
