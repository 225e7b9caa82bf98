// SPDX-License-Identifier: BSD-2-Clause-Patent
// Traces for people: a record, and what is written of it.
#include "sevsim/trace.h"

#include "tests/json/expect_valid.h"

#include <fmt/format.h>
#include <fstream>

namespace vestibule::sevsim {

namespace {

constexpr const char* start =
    R"({"record":"start","platform":"sev-es","c_bit":47,"memory":1,"vcpus":2,"tsc_hz":1000000,"time":1000})";

std::string trace_of(TraceFormat format, const std::vector<std::string>& lines) {
    std::string text;
    const auto trace = make_trace(format, "guest \"x\"", Symbols{},
                                  [&text](std::string_view part) { text += part; });
    for (const std::string& line : lines) {
        trace->take(line);
    }
    trace->finish();
    return text;
}

std::string vc(unsigned vcpu, u64 time) {
    return fmt::format(R"({{"record":"vc","vcpu":{},"time":{},"rip":"0x10","code":"0x72",)"
                       R"("name":"CPUID","info1":"0x0","rax":"0x1","rcx":"0x0","rdx":"0x0"}})",
                       vcpu, time);
}

std::string iret(unsigned vcpu, u64 time, unsigned depth) {
    return fmt::format(
        R"({{"record":"iret","vcpu":{},"time":{},"rip":"0x1","to":"0x2","depth":{}}})", vcpu, time,
        depth);
}

} // namespace

TEST(Trace, TextDecodesExits) {
    struct Row {
        const char* record;
        const char* line;
    };

    // Each at 1.5 s: 1,500,000 ticks of 1 MHz behind the start.
    const Row rows[] = {
        {R"("record":"vc","rip":"0x10","code":"0x7b","name":"IOIO","info1":"0x3f80010","rax":"0x48")",
         "#VC 0x7b out 0x3f8, 'H' at 0x10"                                                                                                                          },
        {R"("record":"vmgexit","code":"0x7b","info1":"0x3f80010","rax":"0x0a")",
         "  out 0x3f8, '\\n'"                                                                                                                                       },
        {R"("record":"vmgexit","code":"0x7b","info1":"0x800010","rax":"0x148")",
         "  out 0x80, 0x48"                                                                                                                                         },
        {R"("record":"vmgexit","code":"0x7b","info1":"0x600041","answer_rax":"0x11223344")",
         "  in 0x60, 4 bytes -> 0x11223344"                                                                                                                         },
        {R"("record":"vmgexit","code":"0x7b","info1":"0x60002d","info2":"0x9")",
         "  rep ins 0x60, 2 bytes, 9 times"                                                                                                                         },
        {R"("record":"vmgexit","code":"0x72","rax":"0xd","rcx":"0x1","answer_rax":"0x1",)"
         R"("answer_rbx":"0x2","answer_rcx":"0x3","answer_rdx":"0x4")",                                                  "  cpuid 0xd.1 -> 0x1 0x2 0x3 0x4"},
        {R"("record":"vmgexit","code":"0x7c","info1":"0x1","rcx":"0xc0000080","rax":"0x2","rdx":"0x1")",
         "  wrmsr 0xc0000080, 0x100000002"                                                                                                                          },
        {R"("record":"vmgexit","code":"0x7c","info1":"0x0","rcx":"0x10","answer_rax":"0x5","answer_rdx":"0x1")",
         "  rdmsr 0x10 -> 0x100000005"                                                                                                                              },
        {R"("record":"vmgexit","code":"0x6e","name":"RDTSC","answer_rax":"0x7","answer_rdx":"0x0")",
         "  RDTSC (0x0, 0x0) -> 0x7"                                                                                                                                },
        {R"("record":"vmgexit","code":"0x80000001","name":"MMIO read","info1":"0xfee00000","info2":"0x4")",
         "  MMIO read (0xfee00000, 0x4)"                                                                                                                            },
        {R"("record":"vmgexit","code":"0x72","rax":"0x0","rcx":"0x0","answer_info1":"0x1","answer_info2":"0x80000b0d")",
         "  cpuid 0x0.0 = exception 0x80000b0d"                                                                                                                     },
        {R"("record":"vmgexit","code":"0x72","rax":"0x0","rcx":"0x0","answer_info1":"0x2","answer_info2":"0x3")",
         "  cpuid 0x0.0 = refused 0x3"                                                                                                                              },
        {R"("record":"msr","name":"CPUID","request":"0x4","answer":"0x5")",
         "  MSR protocol: CPUID 0x4 -> 0x5"                                                                                                                         },
        {R"("record":"rmp","name":"PVALIDATE","rip":"0x20","rax":"0x1000","rcx":"0x0","rdx":"0x1","answer_rax":"0x0","carry":1)",
         "  PVALIDATE 0x1000, 0x0, 0x1 -> 0x0, no change at 0x20"                                                                                                   },
        {R"("record":"lie","name":"no-sev")",                                                                                     "  *** lie: no-sev"               },
        {R"("record":"violation","rule":"ghcb-usage","detail":"x","count":4,"rip":"0x7")",
         "  !!! violation: ghcb-usage, 4 times: x at 0x7"                                                                                                           },
        {R"("record":"iret","rip":"0x1","to":"0x2","depth":0)",                                                                   "  iret to 0x2"                   },
        {R"("record":"step","instruction":3,"rip":"0x9")",                                                                        "  step 3 at 0x9"                 },
        {R"("record":"new\u001b[2J")",                                                                                            "  new?[2J"                       },
    };
    for (const Row& row : rows) {
        const std::string text =
            trace_of(TraceFormat::text,
                     {start, fmt::format(R"({{{},"vcpu":1,"time":1501000}})", row.record)});
        const auto at = text.find("    1.500000 1 ");
        ASSERT_NE(at, std::string::npos) << text;
        EXPECT_EQ(text.substr(at + 15), std::string(row.line) + "\n") << row.record;
    }
    const std::string ends = trace_of(
        TraceFormat::text, {start, R"({"record":"outcome","kind":"exit","value":3})", "no JSON"});
    EXPECT_NE(ends.find("the time-stamp counter at 1000000 Hz\n"), std::string::npos) << ends;
    EXPECT_TRUE(ends.ends_with("+++ exit 3 +++\n")) << ends;
}

TEST(Trace, PerfettoNestsSlices) {
    std::vector<std::string> lines = {start,
                                      vc(0, 2000),
                                      vc(1, 2100),
                                      vc(0, 2200),
                                      iret(0, 2300, 1),
                                      iret(1, 2400, 0),
                                      R"({"record":"lie","name":"no-sev","vcpu":0,"time":2500})",
                                      R"({"record":"violation","rule":"r","count":1})",
                                      "garbage",
                                      R"({"record":"outcome","kind":"halt"})"};
    const std::string text         = trace_of(TraceFormat::perfetto, lines);
    json::expect_valid(text);
    const auto trace = nlohmann::json::parse(text);
    EXPECT_EQ(trace.at("tsc_hz"), 1'000'000);
    std::string phases;
    for (const auto& event : trace.at("traceEvents")) {
        phases += event.at("ph").get<std::string>();
    }
    // The guest and two vCPUs by name; the second #VC of vCPU 0 ends before its first, which is
    // closed at the end.
    EXPECT_EQ(phases, "MMMBCBCBCEEiiiEC") << text;
    // Handlers that never return: nine deep is more than the monitor follows.
    lines = {start};
    for (unsigned n = 0; n < 20; ++n) {
        lines.push_back(vc(0, 2000 + n));
    }
    json::expect_valid(trace_of(TraceFormat::perfetto, lines));
    json::expect_valid(trace_of(TraceFormat::perfetto, {}));
    json::expect_valid(trace_of(TraceFormat::perfetto, {iret(0, 1, 0), vc(0, 5), vc(0, 3)}));
}

TEST(Trace, SymbolsSayWhatIsWrong) {
    Symbols symbols;
    const std::string path = testing::TempDir() + "no-symbols";
    std::ofstream(path) << "text";
    EXPECT_NE(symbols.add(path).error().find("found no ELF64 file"), std::string::npos);
    EXPECT_NE(symbols.add(path + "@x").error().find("found x"), std::string::npos);
    EXPECT_NE(symbols.add("/no/such").error().find("/no/such"), std::string::npos);
    ASSERT_TRUE(symbols.add("/proc/self/exe@0x1000000000"));
    EXPECT_EQ(symbols.at(5), "");
}

} // namespace vestibule::sevsim
