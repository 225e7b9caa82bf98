// SPDX-License-Identifier: BSD-2-Clause-Patent
// What the monitor sees of a run, written as the user wants it: JSON lines as they come, Chrome's
// JSON for ui.perfetto.dev, or a line a call as strace has it.
#pragma once

#include "sevsim/options.h"
#include "sevsim/symbols.h"

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace vestibule::sevsim {

using Put = std::function<void(std::string_view text)>;

class Trace {
  public:
    Trace()                        = default;
    Trace(const Trace&)            = delete;
    Trace& operator=(const Trace&) = delete;
    virtual ~Trace()               = default;

    /// A record of the trace, as the monitor has sent it.
    virtual void take(std::string_view line) = 0;

    /// No more will come.
    virtual void finish() {}
};

/// `name` is the guest's; `put` gets the text.
std::unique_ptr<Trace> make_trace(TraceFormat format, std::string name, Symbols symbols, Put put);

// Each in a file of its own:
std::unique_ptr<Trace> make_text_trace(Symbols symbols, Put put);
std::unique_ptr<Trace> make_perfetto_trace(std::string name, Symbols symbols, Put put);

} // namespace vestibule::sevsim
