// SPDX-License-Identifier: BSD-2-Clause-Patent
// A line a call, as strace has it: when, which vCPU, where, and what was asked for and answered.
#include "sevsim/exit_text.h"
#include "sevsim/report.h"
#include "sevsim/trace.h"

#include <fmt/format.h>

namespace vestibule::sevsim {

namespace {

class TextTrace : public Trace {
  public:
    TextTrace(Symbols symbols, Put put) : symbols_(std::move(symbols)), put_(std::move(put)) {}

    void take(std::string_view line) override {
        const TraceRecord record(line);
        const std::string kind = record.kind();
        if (!record.is_object()) {
            return;
        }
        if (kind == "start") {
            start(record);
        } else if (kind == "outcome") {
            put_(fmt::format("+++ {}{} +++\n", printable(record.text("kind")),
                             record.value("value") ? fmt::format(" {}", record.number("value"))
                                                   : ""));
        } else if (const std::string said = words(record, kind); !said.empty()) {
            const auto time = record.value("time");
            last_           = time ? clock_.seconds(*time) : last_;
            put_(fmt::format("{:12.6f} {} {}{}\n", last_, record.number("vcpu"),
                             kind == "vc" ? "" : "  ", said));
        }
    }

  private:
    void start(const TraceRecord& record) {
        clock_.start(record);
        const auto hertz = clock_.hertz();
        put_(fmt::format("# platform {}, C-bit {}, {} vCPUs; seconds since the start, {}\n"
                         "#    seconds vCPU what\n",
                         printable(record.text("platform")), record.number("c_bit"),
                         record.number("vcpus"),
                         hertz ? fmt::format("the time-stamp counter at {} Hz", *hertz)
                               : "taking a tick of the time-stamp counter, whose frequency is not "
                                 "known, for a nanosecond"));
    }

    [[nodiscard]] std::string place(const TraceRecord& record) const {
        const auto rip = record.value("rip");
        if (!rip) {
            return "";
        }
        const std::string symbol = symbols_.at(*rip);
        return symbol.empty() ? fmt::format(" at {:#x}", *rip)
                              : fmt::format(" at {:#x} {}", *rip, printable(symbol));
    }

    [[nodiscard]] std::string words(const TraceRecord& record, const std::string& kind) const {
        const std::string name = printable(record.text("name"));
        if (kind == "vc") {
            return fmt::format("#VC {:#x} {}{}", record.number("code"), exit_text(record),
                               place(record));
        }
        if (kind == "vmgexit") {
            return exit_text(record) + answer_text(record);
        }
        if (kind == "msr") {
            return fmt::format("MSR protocol: {} {:#x} -> {:#x}", name, record.number("request"),
                               record.number("answer"));
        }
        if (kind == "rmp") {
            return fmt::format("{} {:#x}, {:#x}, {:#x} -> {:#x}{}{}", name, record.number("rax"),
                               record.number("rcx"), record.number("rdx"),
                               record.number("answer_rax"),
                               record.number("carry") != 0 ? ", no change" : "", place(record));
        }
        if (kind == "iret") {
            const auto to            = record.number("to");
            const std::string symbol = symbols_.at(to);
            return fmt::format("iret to {:#x}{}{}", to, symbol.empty() ? "" : " ",
                               printable(symbol));
        }
        if (kind == "step") {
            return fmt::format("step {}{}", record.number("instruction"), place(record));
        }
        if (kind == "lie") {
            return fmt::format("*** lie: {}", name);
        }
        if (kind == "from") {
            return fmt::format("*** from here on, behind {} VMGEXITs", record.number("vmgexits"));
        }
        if (kind == "violation") {
            return fmt::format("!!! violation: {}, {} times: {}{}", printable(record.text("rule")),
                               record.number("count"), printable(record.text("detail")),
                               place(record));
        }
        return printable(kind);
    }

    Symbols symbols_;
    Put put_;
    TraceClock clock_;
    double last_ = 0; // what has no time of its own came with what did
};

} // namespace

std::unique_ptr<Trace> make_text_trace(Symbols symbols, Put put) {
    return std::make_unique<TextTrace>(std::move(symbols), std::move(put));
}

} // namespace vestibule::sevsim
