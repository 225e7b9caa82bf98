// SPDX-License-Identifier: BSD-2-Clause-Patent
// See ci_results.h.
#include "sevsim/ci_results.h"

#include "igvm/show/xml.h"

#include <algorithm>
#include <fmt/format.h>
#include <optional>

namespace vestibule::sevsim {

namespace {

/// A line of TAP (testanything.org, version 13): "not ok 3 - what # SKIP why".
std::optional<TestCase> case_of(std::string_view line) {
    TestCase result;
    result.group  = "guest";
    result.passed = !line.starts_with("not ok");
    if (!line.starts_with("ok") && result.passed) {
        return std::nullopt;
    }
    line.remove_prefix(result.passed ? 2 : 6);
    if (!line.empty() && line.front() != ' ') {
        return std::nullopt; // "okay"
    }
    const auto skip = [&line](std::string_view what) {
        line.remove_prefix(std::min(line.find_first_not_of(what), line.size()));
    };
    skip(" 0123456789");
    skip("- ");
    const auto directive = line.find(" # ");
    if (directive != std::string_view::npos) {
        const std::string_view why = line.substr(directive + 3);
        result.skipped             = why.starts_with("SKIP") || why.starts_with("TODO");
        result.words               = why;
        line                       = line.substr(0, directive);
    }
    result.name = printable(line);
    return result;
}

} // namespace

std::vector<TestCase> test_cases(const RunResult& result,
                                 const std::vector<Expectation>& expectations) {
    std::vector<TestCase> cases;
    for_each_line(result.output, [&cases](std::string_view line) {
        if (auto found = case_of(line)) {
            cases.push_back(std::move(*found));
        }
    });
    const auto add = [&cases](std::string name, bool passed, std::string words) {
        cases.push_back({.group   = "sevsim",
                         .name    = std::move(name),
                         .passed  = passed,
                         .skipped = false,
                         .words   = passed ? "" : std::move(words)});
    };
    for (const Expectation& expectation : expectations) {
        add(fmt::format("expected {}", expectation.text), has_happened(expectation, result),
            outcome_line(result));
    }
    if (expectations.empty()) {
        add("the guest ends well", ends_well(result), outcome_line(result));
    }
    for (const Violation& violation : result.records.violations) {
        const bool expected =
            is_allowed(result, violation)
            || std::ranges::any_of(expectations, [&](const Expectation& expectation) {
                   return expectation.rule == violation.rule;
               });
        add(fmt::format("rule {}", printable(violation.rule)), expected,
            fmt::format("broken {} times, first at rip {}: {}", violation.count,
                        printable(violation.first_rip), printable(violation.first_detail)));
    }
    return cases;
}

std::string to_tap(const std::vector<TestCase>& cases) {
    std::string text = fmt::format("TAP version 13\n1..{}\n", cases.size());
    unsigned number  = 0;
    for (const TestCase& test : cases) {
        text += fmt::format("{}ok {} - {}: {}{}\n", test.passed ? "" : "not ", ++number, test.group,
                            test.name, test.skipped ? " # " + test.words : "");
        if (!test.passed && !test.words.empty()) {
            text += fmt::format("  ---\n  message: '{}'\n  ...\n", test.words);
        }
    }
    return text;
}

std::string to_junit(const std::vector<TestCase>& cases, std::string_view name,
                     std::string_view output) {
    const auto failures = std::ranges::count_if(
        cases, [](const TestCase& test) { return !test.passed && !test.skipped; });
    const auto skipped = std::ranges::count(cases, true, &TestCase::skipped);
    std::string text   = fmt::format("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                                       "<testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" "
                                       "errors=\"0\" skipped=\"{}\">\n",
                                     igvm::xml_escaped(name), cases.size(), failures, skipped);
    for (const TestCase& test : cases) {
        text += fmt::format(R"(  <testcase classname="{}" name="{}")", test.group,
                            igvm::xml_escaped(test.name));
        if (test.skipped) {
            text += fmt::format("><skipped message=\"{}\"/></testcase>\n",
                                igvm::xml_escaped(test.words));
        } else if (!test.passed) {
            text += fmt::format("><failure message=\"{}\"/></testcase>\n",
                                igvm::xml_escaped(test.words));
        } else {
            text += "/>\n";
        }
    }
    text += "  <system-out>";
    for_each_line(output,
                  [&text](std::string_view line) { text += igvm::xml_escaped(line) + "\n"; });
    return text + "</system-out>\n</testsuite>\n";
}

} // namespace vestibule::sevsim
