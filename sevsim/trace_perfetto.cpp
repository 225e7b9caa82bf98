// SPDX-License-Identifier: BSD-2-Clause-Patent
// Chrome's trace event format ("Trace Event Format", the JSON object form): a track a vCPU, a slice
// from each #VC to the IRET that ends its handler, moments, and a counter track.
#include "sevsim/exit_text.h"
#include "sevsim/report.h"
#include "sevsim/trace.h"

#include <array>
#include <cmath>
#include <fmt/format.h>
#include <map>

namespace vestibule::sevsim {

namespace {

using cli::Json;

struct Kind {
    std::string_view record;
    const char* scope; ///< t: a thread's; p: all of the guest's
    std::string (*name)(const TraceRecord& record);
};

const Kind moments[] = {
    {"vmgexit",   "t", [](const TraceRecord& r) { return "VMGEXIT " + exit_text(r); }        },
    {"msr",       "t", [](const TraceRecord& r) { return "MSR protocol: " + r.text("name"); }},
    {"rmp",       "t", [](const TraceRecord& r) { return r.text("name"); }                   },
    {"lie",       "p", [](const TraceRecord& r) { return "lie: " + r.text("name"); }         },
    {"violation", "p", [](const TraceRecord& r) { return "violation: " + r.text("rule"); }   },
    {"outcome",   "p", [](const TraceRecord& r) { return "end: " + r.text("kind"); }         },
};

class PerfettoTrace : public Trace {
  public:
    PerfettoTrace(std::string name, Symbols symbols, Put put)
        : name_(std::move(name)), symbols_(std::move(symbols)), put_(std::move(put)) {}

    void take(std::string_view line) override {
        const TraceRecord record(line);
        if (!record.is_object()) {
            return;
        }
        const std::string kind = record.kind();
        if (kind == "start") {
            clock_.start(record);
            begin(record.number("vcpus"));
            return;
        }
        begin(1); // a monitor that does not say that it has started
        if (const auto time = record.value("time")) {
            now_ = std::max(now_, microseconds(*time));
        }
        const u64 vcpu = record.number("vcpu");
        if (kind == "vc") {
            if (open_[vcpu] == deepest) {
                close(vcpu, 0); // as the monitor, which takes them for handlers that never return
            }
            ++open_[vcpu];
            slice(record, vcpu);
            count(0);
        } else if (kind == "iret") {
            close(vcpu, record.number("depth"));
        } else {
            moment(record, kind, vcpu);
        }
    }

    void finish() override {
        begin(1);
        for (const auto& [vcpu, depth] : open_) {
            close(vcpu, 0);
        }
        counter();
        put_("\n]}\n");
    }

  private:
    static constexpr unsigned deepest = 8; // sevsim/monitor/recording/profile.cpp

    [[nodiscard]] double microseconds(u64 time) const {
        constexpr double nanoseconds = 1e9;
        constexpr double in_one      = 1e3;
        return std::round(clock_.seconds(time) * nanoseconds) / in_one;
    }

    void event(const Json& object) {
        put_(first_ ? "\n" : ",\n");
        first_ = false;
        put_(object.dump(-1, ' ', false, Json::error_handler_t::replace));
    }

    void begin(u64 vcpus) {
        if (begun_) {
            return;
        }
        begun_                    = true;
        const auto hertz          = clock_.hertz();
        Json object               = cli::json_output("perfetto");
        object["displayTimeUnit"] = "ns";
        object["tsc_hz"]          = hertz ? Json(*hertz) : Json();
        std::string text          = object.dump(-1, ' ', false, Json::error_handler_t::replace);
        text.back()               = ','; // its end is finish()'s
        put_(text + "\"traceEvents\":[");
        event({
            {"ph",   "M"                         },
            {"name", "process_name"              },
            {"pid",  1                           },
            {"args", {{"name", "guest " + name_}}}
        });
        constexpr u64 most = 64; // whatever the record says
        for (u64 n = 0; n < std::min(vcpus, most); ++n) {
            event({
                {"ph",   "M"                                  },
                {"name", "thread_name"                        },
                {"pid",  1                                    },
                {"tid",  n                                    },
                {"args", {{"name", fmt::format("vCPU {}", n)}}}
            });
        }
    }

    [[nodiscard]] Json arguments(const TraceRecord& record) const {
        Json members = record.object();
        for (const char* name : {"record", "vcpu", "time"}) {
            members.erase(name);
        }
        const auto rip = record.value("rip");
        if (const std::string symbol = rip ? symbols_.at(*rip) : ""; !symbol.empty()) {
            members["symbol"] = symbol;
        }
        if (record.kind() == "vmgexit") {
            members["answer"] = answer_text(record);
        }
        return members;
    }

    void slice(const TraceRecord& record, u64 vcpu) {
        event({
            {"ph",   "B"                       },
            {"name", "#VC " + exit_text(record)},
            {"pid",  1                         },
            {"cat",  "vc"                      },
            {"ts",   now_                      },
            {"tid",  vcpu                      },
            {"args", arguments(record)         }
        });
    }

    void close(u64 vcpu, u64 depth) {
        for (unsigned& open = open_[vcpu]; open > depth; --open) {
            event({
                {"ph",   "E"  },
                {"name", "#VC"},
                {"pid",  1    },
                {"ts",   now_ },
                {"tid",  vcpu }
            });
        }
    }

    void moment(const TraceRecord& record, const std::string& kind, u64 vcpu) {
        const auto* row = std::ranges::find(moments, kind, &Kind::record);
        if (row == std::end(moments)) {
            return;
        }
        event({
            {"ph",   "i"                         },
            {"name", printable(row->name(record))},
            {"pid",  1                           },
            {"cat",  kind                        },
            {"s",    row->scope                  },
            {"ts",   now_                        },
            {"tid",  vcpu                        },
            {"args", arguments(record)           }
        });
        if (kind == "vmgexit" || kind == "msr") {
            count(kind == "vmgexit" ? 1 : 2);
        }
    }

    /// Not each one: a counter a hundredth of a millisecond is finer than anybody looks.
    void count(unsigned which) {
        constexpr double step = 10;
        ++counts_[which];
        if (now_ - counted_at_ >= step) {
            counter();
        }
    }

    void counter() {
        counted_at_ = now_;
        event({
            {"ph",   "C"                                                                      },
            {"name", "exits"                                                                  },
            {"pid",  1                                                                        },
            {"ts",   now_                                                                     },
            {"args", {{"#VC", counts_[0]}, {"GHCB", counts_[1]}, {"MSR protocol", counts_[2]}}}
        });
    }

    std::string name_;
    Symbols symbols_;
    Put put_;
    TraceClock clock_;
    bool begun_ = false;
    bool first_ = true;
    double now_ = 0; // of the latest record, in microseconds: nothing lies behind what came before
    double counted_at_ = 0;
    std::map<u64, unsigned> open_; // by vCPU: handlers that are at work
    std::array<u64, 3> counts_{};  // #VC, GHCB, MSR protocol
};

} // namespace

std::unique_ptr<Trace> make_perfetto_trace(std::string name, Symbols symbols, Put put) {
    return std::make_unique<PerfettoTrace>(std::move(name), std::move(symbols), std::move(put));
}

} // namespace vestibule::sevsim
