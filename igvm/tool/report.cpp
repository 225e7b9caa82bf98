// SPDX-License-Identifier: BSD-2-Clause-Patent
// igvmtool report: an attestation report field by field, from its signature up to AMD's root, and
// whether it is what a policy asks for. No network: what is missing is named.
#include "cli/json.h"
#include "igvm/measure/id_block.h"
#include "igvm/measure/launch_digest.h"
#include "igvm/measure/sev_session.h"
#include "igvm/report/verdict.h"
#include "igvm/tool/launch_arguments.h"
#include "igvm/tool/report_data.h"
#include "igvm/tool/verbs.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>

namespace vestibule::igvm {

namespace {
using cli::Json;

struct Arguments {
    std::string report;
    std::vector<std::string> certificates;
    std::string policy;
    std::vector<std::string> roots;
    std::string at;
    std::string generation;
    LaunchArguments launch;
    ReportDataArguments data;
    std::string openssl;
    bool json = false;
};

std::vector<u8> bytes_or_fail(const std::string& path) {
    auto bytes = read_file(path);
    if (!bytes) {
        throw Failure(bytes.error());
    }
    return std::move(*bytes);
}

void add_file(std::vector<Certificate>& all, const std::string& path) {
    auto found = read_certificates(bytes_or_fail(path));
    if (!found) {
        throw Failure(fmt::format("{}: {}", path, found.error()));
    }
    std::ranges::move(*found, std::back_inserter(all));
}

/// A folder's certificates by their names' ends: there may be other files.
std::vector<Certificate> certificates_of(const Arguments& arguments) {
    constexpr std::string_view ends[] = {".pem", ".der", ".crt", ".cer", ".cert"};
    std::vector<Certificate> all;
    for (const std::string& path : arguments.certificates) {
        std::error_code error;
        if (!std::filesystem::is_directory(path, error)) {
            add_file(all, path);
            continue;
        }
        std::vector<std::string> files;
        for (const auto& entry : std::filesystem::directory_iterator(path)) {
            const std::string end = entry.path().extension();
            // A platform's PDH lies there too, and is of the SEV API's own form.
            const bool is_pdh = end == ".cert" && entry.file_size() == sizeof(SevCertificate);
            if (std::ranges::count(ends, end) != 0 && !is_pdh) {
                files.push_back(entry.path());
            }
        }
        std::ranges::sort(files);
        for (const std::string& file : files) {
            add_file(all, file);
        }
    }
    return all;
}

Digest256 root_of(const std::string& text) {
    if (const auto digest = from_hex(text); digest.size() == sizeof(Digest256)) {
        return load<Digest256>(digest);
    }
    const auto found = read_certificates(bytes_or_fail(text));
    if (!found) {
        throw Failure(fmt::format("{}: {}", text, found.error()));
    }
    const auto root = std::ranges::find_if(*found, &Certificate::is_self_issued);
    if (root == found->end()) {
        throw Failure(
            fmt::format("{}: found no certificate that is its own issuer, expected a root", text));
    }
    return root->fingerprint();
}

std::time_t time_of(const std::string& text) {
    if (text.empty()) {
        return std::time(nullptr);
    }
    int year       = 0;
    unsigned month = 0;
    unsigned day   = 0;
    char end       = 0;
    if (std::sscanf(text.c_str(), "%4d-%2u-%2u%c", &year, &month, &day, &end) != 3 || month < 1
        || month > 12 || day < 1 || day > 31) {
        throw CLI::ValidationError(
            "--at", fmt::format("found {}, expected a date such as 2026-11-28", text));
    }
    std::tm parts{};
    parts.tm_year = year - 1900;
    parts.tm_mon  = static_cast<int>(month) - 1;
    parts.tm_mday = static_cast<int>(day);
    return timegm(&parts);
}

CpuGeneration generation_or_fail(const Arguments& arguments, const AttestationReport& report,
                                 std::span<const Certificate> certificates) {
    if (!arguments.generation.empty()) {
        const auto named = generation_named(arguments.generation);
        if (!named) {
            throw CLI::ValidationError(
                "--generation",
                fmt::format("found {}, expected Milan, Genoa or Turin", arguments.generation));
        }
        return *named;
    }
    if (const auto own = generation_of(report)) {
        return *own;
    }
    if (report.version >= 3) {
        throw Failure(fmt::format("{}: offset {:#x}: found family {:#x}, model {:#x}, expected "
                                  "Milan, Genoa or Turin: --generation says whose layout of the "
                                  "TCB it has",
                                  arguments.report, offsetof(AttestationReport, cpu_family),
                                  report.cpu_family, report.cpu_model));
    }
    // Versions before 3 came before Turin, and Milan's TCB is laid out as Genoa's.
    return generation_of(certificates).value_or(CpuGeneration::milan);
}

/// The policy that the file wants, which is no part of the measurement.
void add_file_policy(std::vector<ReportCheck>& checks, const Subject& subject,
                     const AttestationReport& report) {
    if (subject.file() == nullptr) { // firmware, to which the monitor gives one
        return;
    }
    const auto wanted =
        policy_of(*subject.file(), subject.file()->mask_of(subject.options().platform));
    if (!wanted) {
        return;
    }
    const bool same = *wanted == report.policy;
    checks.push_back({.name   = "policy",
                      .passed = same,
                      .words  = same ? fmt::format("that of {}", subject.path())
                                     : fmt::format("found {:#x}, expected {:#x} of {}",
                                                   report.policy, *wanted, subject.path())});
}

/// The measurement against what the launch must give.
void add_measurement(std::vector<ReportCheck>& checks, const Arguments& arguments,
                     const AttestationReport& report) {
    if (arguments.launch.file.empty() && arguments.launch.firmware.empty()) {
        return;
    }
    const Subject subject(arguments.launch);
    if (subject.options().platform != PlatformType::sev_snp) {
        throw CLI::ValidationError("--guest", "attestation reports are SEV-SNP's");
    }
    const auto launch = subject.launch(subject.options());
    if (!launch) {
        throw Failure(fmt::format("{}: {}", subject.path(), launch.error()));
    }
    const auto digest = measure(*launch, all_threads(), {}, subject.start());
    const bool same   = std::ranges::equal(digest, report.measurement);
    checks.push_back(
        {.name   = "measurement",
         .passed = same,
         .words  = same ? fmt::format("that of {}", subject.path())
                        : fmt::format("found another, expected {} of {} by {}: "
                                       "igvmtool explain looks for the reason",
                                      to_hex(digest), subject.path(), subject.options().vmm.name)});
    add_file_policy(checks, subject, report);
}

void add_report_data(std::vector<ReportCheck>& checks, const Arguments& arguments,
                     const AttestationReport& report) {
    const auto wanted = report_data_of(arguments.data);
    if (!wanted) {
        return;
    }
    const bool same = std::ranges::equal(*wanted, report.report_data);
    checks.push_back({.name   = "report data",
                      .passed = same,
                      .words  = same ? std::string("SHA-512 of what --attest says")
                                     : fmt::format("found {}, expected {}",
                                                   to_hex(report.report_data), to_hex(*wanted))});
}

/// Two files by which `openssl dgst` can do again what was done here.
void write_for_openssl(const Arguments& arguments, std::span<const u8> report) {
    const auto write = [&](std::string_view end, std::span<const u8> bytes) {
        if (const auto written = write_file(arguments.openssl + std::string(end), bytes);
            !written) {
            throw Failure(written.error());
        }
    };
    write(".signed", report.first(signed_report_size));
    write(".signature", der_of(load<AttestationReport>(report).signature));
}

void print_text(const AttestationReport& report, CpuGeneration generation,
                const std::vector<ReportCheck>& checks, bool has_certificates) {
    for (const ReportLine& line : lines_of(report, generation)) {
        fmt::print("{:<19} {}\n", line.name, line.value);
    }
    for (const ReportCheck& check : checks) {
        fmt::print("{} {}: {}\n", check.passed ? "passes" : "FAILS ", check.name, check.words);
    }
    if (!has_certificates) {
        fmt::print("nobody vouches for this report without --certs; fetch\n");
        for (const std::string& address : addresses_of(report, generation)) {
            fmt::print("  {}\n", address);
        }
    }
}

void print_json(const Arguments& arguments, const AttestationReport& report,
                CpuGeneration generation, const std::vector<ReportCheck>& checks,
                bool has_certificates, bool verified) {
    Json fields   = Json::object();
    Json warnings = Json::array();
    Json says     = Json::array();
    for (const ReportLine& line : lines_of(report, generation)) {
        if (line.name == "policy warning") {
            warnings.push_back(line.value);
        } else if (line.name == "policy says") {
            says.push_back(line.value);
        } else {
            fields[line.name] = line.value;
        }
    }
    Json list = Json::array();
    for (const ReportCheck& check : checks) {
        list.push_back({
            {"name",   check.name  },
            {"passed", check.passed},
            {"words",  check.words }
        });
    }
    Json object               = cli::json_output("report");
    object["file"]            = arguments.report;
    object["generation"]      = name_of(generation);
    object["fields"]          = fields;
    object["policy_says"]     = says;
    object["policy_warnings"] = warnings;
    object["checks"]          = list;
    object["verified"]        = verified;
    if (!has_certificates) {
        object["fetch"] = addresses_of(report, generation);
    }
    fmt::print("{}", cli::json_text(object));
}

void show_report(const Arguments& arguments) {
    const auto bytes  = bytes_or_fail(arguments.report);
    const auto report = read_report(bytes);
    if (!report) {
        throw Failure(fmt::format("{}: offset {:#x}: found {:#x}, expected {}", arguments.report,
                                  report.error().offset, report.error().found,
                                  report.error().expected));
    }
    const auto certificates = certificates_of(arguments);
    const auto generation   = generation_or_fail(arguments, *report, certificates);
    std::vector<ReportCheck> checks;
    if (!arguments.certificates.empty()) {
        ChainOptions options{.roots = {}, .at = time_of(arguments.at), .generation = generation};
        for (const std::string& root : arguments.roots) {
            options.roots.push_back(root_of(root));
        }
        checks =
            check_chain(*report, std::span(bytes).first(signed_report_size), certificates, options);
    }
    if (!arguments.policy.empty()) {
        const auto text = bytes_or_fail(arguments.policy);
        auto verdict    = check_policy(*report, generation, std::string(text.begin(), text.end()));
        if (!verdict) {
            throw Failure(fmt::format("{}: {}", arguments.policy, verdict.error()));
        }
        std::ranges::move(*verdict, std::back_inserter(checks));
    }
    add_measurement(checks, arguments, *report);
    add_report_data(checks, arguments, *report);
    if (!arguments.openssl.empty()) {
        write_for_openssl(arguments, bytes);
    }
    const bool passed  = std::ranges::all_of(checks, &ReportCheck::passed);
    const bool vouched = !arguments.certificates.empty();
    if (arguments.json) {
        print_json(arguments, *report, generation, checks, vouched, vouched && passed);
    } else {
        print_text(*report, generation, checks, vouched);
    }
    if (!passed) {
        throw Finished(1);
    }
}
} // namespace

void add_report(CLI::App& app) {
    auto arguments = std::make_shared<Arguments>();
    CLI::App* verb = app.add_subcommand(
        "report", "Show an SEV-SNP attestation report, and check it up to AMD's root");
    verb->add_option("report", arguments->report, "The report, 0x4a0 bytes")
        ->required()
        ->type_name(cli::input_file);
    auto* certificates =
        verb->add_option(
                "--certs", arguments->certificates,
                "Certificates of VCEK or VLEK, ASK and ARK: a folder, or files in PEM, DER "
                "or as an extended guest request returns them")
            ->type_name(cli::input_file);
    verb->add_option("--root", arguments->roots,
                     "Another root to believe than AMD's: its certificate, or the SHA-256 of it")
        ->needs(certificates);
    verb->add_option("--at", arguments->at,
                     "The day on which certificates have to be valid [today]")
        ->needs(certificates);
    verb->add_option("--policy", arguments->policy,
                     "A JSON file of what is asked for: minimum_tcb, allowed_policy, vmpl, "
                     "measurement, host_data, id_key_digest and so on")
        ->type_name(cli::input_file);
    verb->add_option("--generation", arguments->generation,
                     "Milan, Genoa or Turin, where the report does not say it");
    add_launch_options(*verb, arguments->launch, "--guest");
    add_report_data_options(*verb, arguments->data,
                            "The nonce over whose SHA-512 the report has to be");
    verb->add_option("--openssl", arguments->openssl,
                     "Write OUT.signed and OUT.signature: `openssl dgst -sha384 -verify KEY.pem "
                     "-signature OUT.signature OUT.signed` checks the signature")
        ->type_name(cli::output_file);
    verb->add_flag("--json", arguments->json, "One JSON object");
    verb->footer("Example:\n"
                 "  igvmtool report report.bin\n"
                 "  igvmtool report report.bin --openssl proof\n"
                 "Exit status: 0 all checks pass, 1 one does not or the work failed, 2 wrong use.");
    verb->callback([arguments] { show_report(*arguments); });
}

} // namespace vestibule::igvm
