// SPDX-License-Identifier: MIT
// Every header but calibrate/, which uses Eigen: for compilers of other systems.
#include <earlyout/earlyout.hpp>
#include <earlyout/generate/make_session.hpp>
#include <earlyout/io/load.hpp>
#include <earlyout/io/load_cached.hpp>
#include <earlyout/io/packed_writer.hpp>
#include <earlyout/io/safetensors_writer.hpp>
#include <earlyout/models/any_model.hpp>
#include <earlyout/text/fill_in_the_middle.hpp>
