#include <earlyout/exit/gate.hpp>
