// SPDX-License-Identifier: BSD-2-Clause-Patent
// See report.h.
#include "examiner/report.h"

#include "examiner/console.h"

namespace vestibule::examiner {

namespace {

/// TAP 14: a # that begins no directive has a backslash in front.
void write_description(const char* text) {
    for (; *text != '\0'; ++text) {
        if (*text == '#') {
            write('\\');
        }
        write(*text);
    }
}

void write_difference(const Verdict& verdict) {
    write("  ---\n  what: '");
    write(verdict.what);
    write("'\n  seen: ");
    write_hex(verdict.seen);
    write("\n  wanted: ");
    write_hex(verdict.wanted);
    write("\n  ...\n");
}

void write_known(const Deviation& known) {
    write("known: ");
    write(name_of(known.host));
    write(' ');
    write(known.answer);
    if (!known.is_sourced) {
        write(" (unverified)");
    }
}

void write_member(const char* name, u64 value) {
    write(R"(,")");
    write(name);
    write(R"(":)");
    write_decimal(value);
}

} // namespace

Report::Report(unsigned planned) : planned_{planned} {
    write("TAP version 14\n1..");
    write_decimal(planned);
    write('\n');
}

void Report::begin_line(const Case& about, bool ok) {
    ++reported_;
    write(ok ? "ok " : "not ok ");
    write_decimal(reported_);
    write(" - ");
    write(about.id);
    write(' ');
    write(name_of(about.level));
    write(" (");
    write(about.section);
    write("): ");
    write_description(about.demand);
}

void Report::announce(const Case& about) {
    write("# next: ");
    write(about.id);
    write('\n');
}

void Report::result(const Case& about, const Verdict& verdict, const Deviation* known) {
    begin_line(about, !verdict.is_failure());
    if (verdict.kind == Verdict::Kind::passed) {
        ++passed_;
        write('\n');
        return;
    }
    if (verdict.kind == Verdict::Kind::skipped) {
        ++skipped_;
        write(" # SKIP ");
        if (known != nullptr) {
            write_known(*known);
        } else {
            write(verdict.what);
        }
        write('\n');
        return;
    }
    if (known != nullptr) {
        ++known_;
        write(" # TODO ");
        write_known(*known);
    } else if (about.level != Level::must) {
        ++deviating_;
        write(" # TODO ");
        write(name_of(about.level));
    } else {
        if (failed_ < most_failures) {
            failures_[failed_] = about.id;
        }
        ++failed_;
    }
    write('\n');
    write_difference(verdict);
}

void Report::summary(const char* platform, unsigned protocol_version) const {
    write(R"(# {"schema":"vestibule.examiner/1","platform":")");
    write(platform);
    write('"');
    write_member("protocol_version", protocol_version);
    write_member("planned", planned_);
    write_member("passed", passed_);
    write_member("failed", failed_);
    write_member("known", known_);
    write_member("deviating", deviating_);
    write_member("skipped", skipped_);
    write(R"(,"failures":[)");
    for (unsigned n = 0; n < failed_ && n < most_failures; ++n) {
        write(n == 0 ? R"(")" : R"(,")");
        write(failures_[n]);
        write('"');
    }
    write("]}\n");
}

} // namespace vestibule::examiner
