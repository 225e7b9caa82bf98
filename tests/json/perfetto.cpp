// SPDX-License-Identifier: BSD-2-Clause-Patent
// See perfetto.h.
#include "tests/json/perfetto.h"

#include <map>

namespace vestibule::json {

std::optional<std::string> perfetto_fault(const Json& trace) {
    std::map<int, int> open;
    std::map<std::string, int> seen;
    std::map<int, bool> named;
    Json last_counter;
    double now         = 0;
    std::size_t number = 0;
    for (const Json& event : trace.at("traceEvents")) {
        const auto phase        = event.at("ph").get<std::string>();
        const std::string where = "event " + std::to_string(number++);
        if (phase == "M") {
            named[event.value("tid", -1)] = true;
            continue;
        }
        const double time = event.at("ts").get<double>();
        if (time < now) {
            return where + ": time goes back";
        }
        now = time;
        if (phase == "C") {
            last_counter = event.at("args");
            continue;
        }
        const int track = event.at("tid").get<int>();
        if (!named[track]) {
            return where + ": a track without a name";
        }
        if (phase == "E" && --open[track] < 0) {
            return where + ": the end of a slice that has not begun";
        }
        open[track] += phase == "B" ? 1 : 0;
        ++seen[phase == "i" ? event.at("cat").get<std::string>() : phase];
    }
    for (const auto& [track, depth] : open) {
        if (depth != 0) {
            return "slices of vCPU " + std::to_string(track) + " that do not end";
        }
    }
    const Json counted = {
        {"#VC",          seen["B"]      },
        {"GHCB",         seen["vmgexit"]},
        {"MSR protocol", seen["msr"]    }
    };
    return last_counter == counted ? std::nullopt
                                   : std::optional("the counters end with " + last_counter.dump()
                                                   + ", there are " + counted.dump());
}

} // namespace vestibule::json
