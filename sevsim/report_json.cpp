// SPDX-License-Identifier: BSD-2-Clause-Patent
// See report_json.h. As everywhere addresses, registers and codes are strings "0x...", counts are
// numbers; null is what this run cannot tell, which is not the same as 0.
#include "sevsim/report_json.h"

#include "cli/json.h"
#include "ghcb/termination.h"

#include <fmt/format.h>

namespace vestibule::sevsim {

namespace {

using cli::Json;

std::string hex(u64 value) { return fmt::format("{:#x}", value); }

Json number_or_null(const std::optional<u64>& value) { return value ? Json(*value) : Json(); }

Json text_or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

const char* name_of(GuestKind kind) {
    switch (kind) {
    case GuestKind::igvm: return "igvm";
    case GuestKind::kernel: return "kernel";
    case GuestKind::firmware: return "firmware";
    }
    std::unreachable();
}

Json guest_json(const RunOptions& options) {
    return {
        {"file",         options.file                                                     },
        {"kind",         name_of(options.kind)                                            },
        {"initrd",       text_or_null(options.initrd)                                     },
        {"command_line", options.kind == GuestKind::kernel ? Json(options.append) : Json()}
    };
}

Json machine_json(const std::optional<Start>& start) {
    if (!start) {
        return nullptr; // the monitor has not come that far
    }
    return {
        {"platform", start->platform              },
        {"c_bit",    start->c_bit                 },
        {"memory",   start->memory                },
        {"vcpus",    start->vcpus                 },
        {"tsc_hz",   number_or_null(start->tsc_hz)}
    };
}

Json outcome_json(const RunResult& result) {
    const auto& outcome = result.records.outcome;
    Json object{
        {"kind",  end_name(result)    },
        {"value", nullptr             },
        {"words", outcome_line(result)}
    };
    if (!outcome || outcome->kind == OutcomeKind::host) { // cut short
        if (result.qemu.how != Ending::timed_out && result.qemu.how != Ending::unread) {
            object["value"] = result.qemu.value;
        }
        return object;
    }
    if (outcome->kind == OutcomeKind::exit || outcome->kind == OutcomeKind::unsupported_event) {
        object["value"] = outcome->value;
    }
    if (outcome->reason) {
        const auto* known     = ghcb::find_termination(outcome->reason->set, outcome->reason->code);
        object["reason_set"]  = outcome->reason->set;
        object["reason_code"] = hex(outcome->reason->code);
        object["reason_name"] = known != nullptr ? Json(known->name) : Json();
    }
    if (!outcome->detail.empty()) {
        object["detail"] = outcome->detail;
    }
    if (outcome->page) {
        object["page"] = hex(*outcome->page);
    }
    if (outcome->idt_limit) {
        object["idt_limit"] = *outcome->idt_limit;
    }
    return object;
}

Json exits_json(const RunRecords& records) {
    Json rows = Json::array();
    for (const ExitCount& exit : records.exits) {
        rows.push_back({
            {"code",         hex(exit.code)   },
            {"name",         exit.name        },
            {"vc",           exit.vc          },
            {"ghcb",         exit.ghcb        },
            {"msr_protocol", exit.msr_protocol}
        });
    }
    return rows;
}

Json violations_json(const RunResult& result) {
    Json rows = Json::array();
    for (const Violation& violation : result.records.violations) {
        rows.push_back({
            {"rule", violation.rule},
            {"count", violation.count},
            {"at_least", !result.records.outcome.has_value()},
            {"allowed", is_allowed(result, violation)},
            {"first_rip", text_or_null(violation.first_rip)},
            {"first_detail", text_or_null(violation.first_detail)}
        });
    }
    return rows;
}

Json last_exits_json(const RunRecords& records) {
    Json rows = Json::array();
    for (const LastExit& exit : records.last_exits) {
        rows.push_back({
            {"kind",  exit.kind     },
            {"code",  hex(exit.code)},
            {"name",  exit.name     },
            {"rip",   exit.rip      },
            {"count", exit.count    }
        });
    }
    return rows;
}

Json state_json(const std::optional<Outcome>& outcome) {
    if (!outcome || outcome->registers.empty()) {
        return nullptr; // of a guest that has ended in good order nobody wants to know
    }
    Json registers = Json::object();
    for (const auto& [name, value] : outcome->registers) {
        registers[name] = value;
    }
    return {
        {"vcpu",       number_or_null(outcome->vcpu)},
        {"registers",  registers                    },
        {"code_bytes", outcome->code                }
    };
}

Json profile_json(const RunRecords& records) {
    if (records.profile.empty() && !records.unprofiled) {
        return nullptr;
    }
    Json samples = Json::array();
    for (const ProfileSample& sample : records.profile) {
        samples.push_back({
            {"code",     hex(sample.code)},
            {"name",     sample.name     },
            {"before",   sample.before   },
            {"after",    sample.after    },
            {"total",    sample.total    },
            {"vmgexits", sample.vmgexits },
            {"count",    sample.count    }
        });
    }
    return {
        {"samples",      samples                             },
        {"unprofiled",   number_or_null(records.unprofiled)  },
        {"instructions", number_or_null(records.instructions)},
        {"to_port",      number_or_null(records.to_port)     }
    };
}

Json expectations_json(const RunResult& result, const std::vector<Expectation>& expectations) {
    Json rows = Json::array();
    for (const Expectation& expectation : expectations) {
        rows.push_back({
            {"expected", expectation.text},
            {"happened", has_happened(expectation, result)}
        });
    }
    return rows;
}

Json run_json(const RunResult& result, const RunOptions& options,
              const std::vector<Expectation>& expectations) {
    const RunRecords& records = result.records;
    const Outcome outcome     = records.outcome.value_or(Outcome{});
    Json object               = cli::json_output("run");
    object["guest"]           = guest_json(options);
    object["machine"]         = machine_json(records.start);
    object["launch_digest"]   = text_or_null(result.launch_digest);
    object["outcome"]         = outcome_json(result);
    object["status"]          = exit_status(result, expectations);
    object["expectations"]    = expectations_json(result, expectations);
    object["complete"]        = records.outcome.has_value();
    object["counts"]          = {
        {"vmrun",        number_or_null(outcome.vmruns)      },
        {"vc",           number_or_null(outcome.vc)          },
        {"vmgexit",      number_or_null(outcome.vmgexits)    },
        {"pvalidate",    number_or_null(outcome.pvalidates)  },
        {"shared_pages", number_or_null(outcome.shared_pages)}
    };
    object["exits"]      = exits_json(records);
    object["violations"] = violations_json(result);
    object["hostile"]    = nullptr;
    if (!result.hostility.empty()) {
        object["hostile"] = {
            {"lie",  result.hostility            },
            {"told", number_or_null(outcome.lies)}
        };
    }
    object["last_exits"]        = last_exits_json(records);
    object["state"]             = state_json(records.outcome);
    object["profile"]           = profile_json(records);
    object["malformed_records"] = records.malformed;
    object["unwritten"]         = result.unwritten;
    return object;
}

} // namespace

std::string report_json(const RunResult& result, const RunOptions& options,
                        const std::vector<Expectation>& expectations) {
    return cli::json_text(run_json(result, options, expectations));
}

std::string planned_run_json(const RunResult& result, const RunOptions& options, u64 index) {
    Json object           = cli::json_output("planned-run");
    object["plan"]        = index;
    object["lies"]        = Json::array();
    std::string_view told = result.hostility;
    while (!told.empty()) {
        const std::size_t end = std::min(told.find(' '), told.size());
        object["lies"].push_back(told.substr(0, end));
        told.remove_prefix(std::min(end + 1, told.size()));
    }
    object["output"] = result.output;
    object["edges"]  = result.records.edges;
    object["run"]    = run_json(result, options, {});
    return cli::json_line(object);
}

} // namespace vestibule::sevsim
