// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "boot/selftest/tap.h"

#include "boot/selftest/console.h"

namespace vestibule::selftest {

Tap::Tap(unsigned planned) : planned{planned} {
    write("TAP version 14\n1..");
    write_decimal(planned);
    write('\n');
}

void Tap::begin_line(bool ok, const char* name) {
    ++reported;
    write(ok ? "ok " : "not ok ");
    write_decimal(reported);
    write(" - ");
    write(name);
}

void Tap::result(const char* name, const Difference& difference) {
    begin_line(!difference.found(), name);
    write('\n');
    if (difference.found()) {
        ++failed;
        write("  ---\n  what: ");
        write(difference.what);
        write("\n  seen: ");
        write_hex(difference.seen);
        write("\n  wanted: ");
        write_hex(difference.wanted);
        write("\n  ...\n");
    }
}

void Tap::skip(const char* name, const char* reason) {
    begin_line(true, name);
    write(" # SKIP ");
    write(reason);
    write('\n');
}

} // namespace vestibule::selftest
