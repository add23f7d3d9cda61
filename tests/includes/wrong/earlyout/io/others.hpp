#include <earlyout/text/detail/utf8.hpp>
