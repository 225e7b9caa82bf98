// SPDX-License-Identifier: BSD-2-Clause-Patent
// A run as test results for continuous integration: TAP version 13, and JUnit's XML as CI systems
// read it. The guest's own TAP lines are cases, as are each thing that was expected, the way the
// guest ended and each rule that it has broken.
#pragma once

#include "sevsim/expectation.h"

#include <string>
#include <vector>

namespace vestibule::sevsim {

struct TestCase {
    std::string group; ///< guest, sevsim
    std::string name;
    bool passed  = true;
    bool skipped = false;
    std::string words; ///< why not
};

std::vector<TestCase> test_cases(const RunResult& result,
                                 const std::vector<Expectation>& expectations);

std::string to_tap(const std::vector<TestCase>& cases);
/// `name` is the suite's, `output` the guest's.
std::string to_junit(const std::vector<TestCase>& cases, std::string_view name,
                     std::string_view output);

} // namespace vestibule::sevsim
