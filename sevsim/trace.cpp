// SPDX-License-Identifier: BSD-2-Clause-Patent
// See trace.h: the choice, and JSON lines.
#include "sevsim/trace.h"

#include "cli/json.h"

namespace vestibule::sevsim {

namespace {

class LinesTrace : public Trace {
  public:
    explicit LinesTrace(Put put) : put_(std::move(put)) {
        cli::Json first = cli::json_output("trace");
        first["record"] = "trace";
        put_(cli::json_line(first));
    }

    void take(std::string_view line) override {
        put_(line);
        put_("\n");
    }

  private:
    Put put_;
};

} // namespace

std::unique_ptr<Trace> make_trace(TraceFormat format, std::string name, Symbols symbols, Put put) {
    switch (format) {
    case TraceFormat::text: return make_text_trace(std::move(symbols), std::move(put));
    case TraceFormat::perfetto:
        return make_perfetto_trace(std::move(name), std::move(symbols), std::move(put));
    case TraceFormat::jsonl: break;
    }
    return std::make_unique<LinesTrace>(std::move(put));
}

} // namespace vestibule::sevsim
