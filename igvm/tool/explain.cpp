// SPDX-License-Identifier: BSD-2-Clause-Patent
// igvmtool explain: why a launch digest is not the expected one.
#include "igvm/explain/explain.h"
#include "cli/json.h"
#include "igvm/explain/file_causes.h"
#include "igvm/format/guest_policy.h"
#include "igvm/image/own_file.h"
#include "igvm/measure/attestation_report.h"
#include "igvm/measure/id_block.h"
#include "igvm/show/describe.h"
#include "igvm/tool/file_io.h"
#include "igvm/tool/launch_arguments.h"
#include "igvm/tool/progress.h"
#include "igvm/tool/rebuilt.h"
#include "igvm/tool/verbs.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <map>

namespace vestibule::igvm {

namespace {
using ordered_json = cli::Json;

struct Arguments {
    LaunchArguments launch;
    std::string expected;
    std::string report;
    std::string host_data;
    std::vector<std::string> other_kernels;
    std::vector<std::string> other_initrds;
    std::vector<std::string> other_lines;
    std::vector<std::string> other_files;
    unsigned most_causes = 3;
    bool json            = false;
};

AttestationReport report_or_fail(const std::string& path) {
    const auto bytes = read_file(path);
    if (!bytes) {
        throw Failure(bytes.error());
    }
    const auto report = read_report(*bytes);
    if (!report) {
        throw Failure(fmt::format("{}: offset {:#x}: found {:#x}, expected {}", path,
                                  report.error().offset, report.error().found,
                                  report.error().expected));
    }
    return *report;
}

std::vector<u8> expected_digest(const Arguments& arguments, PlatformType platform) {
    const bool snp = platform == PlatformType::sev_snp;
    if (!arguments.report.empty()) {
        if (!snp) {
            throw CLI::ValidationError("--report", "attestation reports are SEV-SNP's");
        }
        const AttestationReport report = report_or_fail(arguments.report);
        return {std::begin(report.measurement), std::end(report.measurement)};
    }
    const u64 right = snp ? sizeof(Digest384) : sizeof(Digest256);
    auto digest     = from_hex_or_base64(arguments.expected, right);
    if (digest.empty()) {
        const u64 other  = snp ? sizeof(Digest256) : sizeof(Digest384);
        const bool fits  = !from_hex_or_base64(arguments.expected, other).empty();
        const auto* hint = !fits ? ""
                           : snp ? "; of SEV-ES it would be: --platform sev-es"
                                 : "; of SEV-SNP it would be: --platform sev-snp";
        throw CLI::ValidationError("--expected",
                                   fmt::format("found {}, expected {} hexadecimal digits for {}{}",
                                               arguments.expected, 2 * right,
                                               igvm::name_of(platform), hint));
    }
    return digest;
}

/// A digest on the way. Where two chains part is found by comparing them there first.
struct Checkpoint {
    u64 step; // it is behind
    u64 steps;
    u64 gpa;
    std::string digest;
};

/// Behind a step in the middle of the pages, and behind the last page.
std::vector<Checkpoint> checkpoints(const Launch& launch) {
    std::vector<Checkpoint> result;
    Chain chain(launch.platform);
    const u64 pages = static_cast<u64>(std::ranges::count_if(
        launch.steps, [](const Step& s) { return s.type != PageType::vmsa; }));
    u64 step        = 0;
    u64 page        = 0;
    for (const Step& each : launch.steps) {
        chain.add(each);
        ++step;
        if (each.type == PageType::vmsa) {
            continue;
        }
        ++page;
        if (page == (pages + 1) / 2 || page == pages) {
            result.push_back({.step   = step,
                              .steps  = launch.steps.size(),
                              .gpa    = each.gpa,
                              .digest = to_hex(chain.digest())});
        }
    }
    return result;
}

/// What was tried, by groups of causes that exclude each other.
std::map<std::string, unsigned> groups_of(const Answer& answer) {
    std::map<std::string, unsigned> groups;
    for (const Cause& cause : answer.causes) {
        const bool feature = cause.group.starts_with("SEV_FEATURES");
        ++groups[feature ? "SEV_FEATURES bits" : cause.group];
    }
    return groups;
}

void print_failure(const Launch& base, const Answer& answer) {
    fmt::print("No explanation. These were tried, alone and together:\n ");
    std::string_view between;
    for (const auto& [group, count] : groups_of(answer)) {
        fmt::print("{} {} ({})", between, group, count);
        between = ",";
    }
    fmt::print("\nSomething else differs: most likely the content of a page, so the file itself.\n"
               "If the other side can print its digest on the way (igvmmeasure, the monitor's "
               "trace), compare there first, and go on in the half that differs with `measure "
               "--ledger`:\n");
    for (const Checkpoint& point : checkpoints(base)) {
        fmt::print("  behind step {} of {}, {:#x}: {}\n", point.step, point.steps, point.gpa,
                   point.digest);
    }
}

void print(const Launch& base, const Answer& answer, const std::string& own, double seconds) {
    const u64 count = answer.explanations.size();
    if (count == 0) {
        print_failure(base, answer);
    } else if (answer.explanations.front().causes.empty()) {
        fmt::print("The digest is as expected: {}\n", own);
    } else {
        fmt::print("The file gives {}.\n", own);
        constexpr u64 enough   = 8;
        const std::span listed = std::span(answer.explanations).first(std::min(count, enough));
        for (const auto& line :
             lines_of(listed, "The expected digest is that of this launch with:")) {
            fmt::print("{}\n", line);
        }
        if (count > enough) {
            fmt::print("and {} more; --json has them all\n", count - enough);
        }
    }
    fmt::print("{} hypotheses in {:.2f} s\n", answer.tried, seconds);
}

/// In which vCPUs a cause lies; null where it lies in none.
ordered_json vcpus_of(const Cause& cause) {
    if (!cause.is_of_vmsa()) {
        return nullptr;
    }
    return !cause.others ? "first" : !cause.first_vcpu ? "others" : "all";
}

/// A row a field that is another one: its cause may have altered several.
ordered_json rows_of(const Explanation& explanation) {
    ordered_json rows = ordered_json::array();
    for (u64 i = 0; i < explanation.causes.size(); ++i) {
        const Cause& cause = *explanation.causes[i];
        const auto add     = [&](const Change* change) {
            rows.push_back({
                {"cause", cause.name},
                {"field", change != nullptr ? ordered_json(change->field) : ordered_json()},
                {"offset", change != nullptr && change->offset
                                   ? ordered_json(fmt::format("{:#x}", *change->offset))
                                   : ordered_json()},
                {"found", change != nullptr ? ordered_json(change->found) : ordered_json()},
                {"expected", change != nullptr ? ordered_json(change->expected) : ordered_json()},
                {"who", cause.who},
                {"in_vcpus", vcpus_of(cause)},
                {"words", explanation.words[i]}
            });
        };
        for (const Change& change : explanation.changes[i]) {
            add(&change);
        }
        if (explanation.changes[i].empty()) {
            add(nullptr);
        }
    }
    return rows;
}

void print_json(const Subject& subject, const Launch& base, const Answer& answer,
                const std::string& own, const std::string& expected, double seconds,
                const std::vector<std::string>& lines) {
    ordered_json object       = cli::json_output("explain");
    object["file"]            = subject.path();
    object["platform"]        = igvm::name_of(subject.options().platform);
    object["vmm"]             = subject.options().vmm.name;
    object["launch_digest"]   = own;
    object["expected_digest"] = expected;
    object["tried"]           = answer.tried;
    object["seconds"]         = seconds;
    object["explanations"]    = ordered_json::array();
    for (const Explanation& explanation : answer.explanations) {
        object["explanations"].push_back(rows_of(explanation));
    }
    object["report"] = lines;
    if (answer.explanations.empty()) {
        object["causes_tried"] = groups_of(answer);
        for (const Checkpoint& point : checkpoints(base)) {
            object["checkpoints"].push_back({
                {"step", point.step},
                {"steps", point.steps},
                {"gpa", fmt::format("{:#x}", point.gpa)},
                {"digest", point.digest}
            });
        }
    }
    fmt::print("{}", cli::json_text(object));
}

FileAlternatives::Content content_of(const std::string& path) {
    auto bytes = read_file(path);
    if (!bytes) {
        throw Failure(bytes.error());
    }
    return {.name = path, .bytes = std::move(*bytes)};
}

/// What a launch puts at an address, as far as it goes.
std::vector<u8> content_at(const Launch& launch, u64 gpa, u64 size) {
    std::vector<u8> bytes;
    for (auto step = std::ranges::find(launch.steps, gpa, &Step::gpa);
         step != launch.steps.end() && bytes.size() < size && step->gpa == gpa + bytes.size();
         ++step) {
        bytes.insert(bytes.end(), step->data.begin(), step->data.end());
        bytes.resize(step->gpa + step->pages * page_size - gpa); // a page of zeros has no data
    }
    bytes.resize(std::min<u64>(bytes.size(), size));
    return bytes;
}

/// What is in an IGVM file's pages may have been other files' too.
std::vector<Cause> causes_of_file(const Arguments& arguments, const Subject& subject,
                                  const Launch& base) {
    if (subject.is_firmware()) {
        return {};
    }
    FileAlternatives others{.line          = arguments.launch.append.value_or(""),
                            .other_lines   = arguments.other_lines,
                            .initrd        = std::nullopt,
                            .other_initrds = {}};
    if (!arguments.launch.initrd.empty()) {
        others.initrd = content_of(arguments.launch.initrd);
    }
    // A file of igvmtool's own says by itself what it has.
    using Record   = OwnFile::Record;
    const auto own = own_file(*subject.file(), subject.options().platform).record;
    if (own) {
        others.record = {.page        = own->page,
                         .line        = own->offset + Record::line_at,
                         .line_room   = Record::line_room,
                         .line_size   = own->offset + Record::line_size_at,
                         .initrd_size = own->offset + Record::initrd_size_at};
        others.line   = own->command_line;
        if (!others.initrd && own->initrd_size != 0) {
            others.initrd = FileAlternatives::Content{
                .name = "the file's", .bytes = content_at(base, own->initrd, own->initrd_size)};
        }
    }
    for (const std::string& path : arguments.other_initrds) {
        others.other_initrds.push_back(content_of(path));
    }
    return file_causes(base, others);
}

/// What a report says beside its measurement, held against what the file demands.
std::vector<std::string> lines_of(const Arguments& arguments, const Subject& subject) {
    std::vector<std::string> lines;
    if (arguments.report.empty()) {
        return lines;
    }
    const AttestationReport report = report_or_fail(arguments.report);
    const auto compare = [&](std::string_view name, std::string found, std::string_view wanted) {
        if (found != wanted) {
            lines.push_back(fmt::format("the report's {} is {}, expected {}", name, found, wanted));
        }
    };
    const File* const file = subject.file();
    const u32 mask         = file != nullptr ? file->mask_of(PlatformType::sev_snp) : 0;
    const auto policy      = file != nullptr ? policy_of(*file, mask) : std::nullopt;
    if (policy) {
        compare("policy", fmt::format("{:#x}", report.policy), fmt::format("{:#x}", *policy));
    }
    compare("VMPL", fmt::format("{}", report.vmpl), "0");
    std::optional<SnpIdBlock> block;
    if (file != nullptr && mask != 0) {
        for (const Header header : file->directives(mask)) {
            block = block ? block : header.as<SnpIdBlock>();
        }
    }
    if (block) {
        compare("guest SVN", fmt::format("{}", report.guest_svn),
                fmt::format("{}", u32{block->guest_svn}));
        compare("family ID", to_hex(report.family_id), to_hex(block->family_id));
        compare("image ID", to_hex(report.image_id), to_hex(block->image_id));
    }
    if (!arguments.host_data.empty()) {
        const auto bytes = from_hex_or_base64(arguments.host_data, sizeof(report.host_data));
        if (bytes.empty()) {
            throw CLI::ValidationError("--host-data", "expected 64 hexadecimal digits");
        }
        compare("host data", to_hex(report.host_data), to_hex(bytes));
    }
    for (const std::string& warning : policy_warnings(PlatformType::sev_snp, report.policy)) {
        lines.push_back("warning: the report's policy has " + warning);
    }
    return lines;
}

/// The files of --or-file, and what igvmtool makes of a file of its own.
class OtherFiles {
  public:
    OtherFiles(const Arguments& arguments, const Subject& subject) {
        if (!arguments.other_files.empty() && subject.is_firmware()) {
            throw CLI::ValidationError("--or-file", "is for IGVM files, not for --firmware");
        }
        for (const std::string& path : arguments.other_files) {
            opened_.emplace_back(path);
            files_.push_back(opened_.back().file());
            names_.push_back(
                {.cause = fmt::format("file {}", path), .value = path, .who = "another --or-file"});
        }
        if (subject.is_firmware()) {
            return;
        }
        OtherInputs others{.initrds = {}, .command_lines = arguments.other_lines};
        for (const std::string& path : arguments.other_initrds) {
            others.initrds.push_back({.name = path, .bytes = content_of(path).bytes});
        }
        built_ = rebuilt(*subject.file(), subject.options().platform, others);
        for (const Rebuilt& each : built_) {
            if (const auto file = parse(each.bytes)) {
                files_.push_back(*file);
                names_.push_back({.cause = fmt::format("built with {}", each.options),
                                  .value = each.options,
                                  .who   = "the file's own guest, by this igvmtool"});
            }
        }
    }

    [[nodiscard]] const File& at(u32 number) const { return files_[number]; }

    [[nodiscard]] const std::vector<Alternatives::OtherFile>& names() const { return names_; }

    [[nodiscard]] std::vector<std::span<const u8>> bytes() const {
        std::vector<std::span<const u8>> all;
        for (const File& file : files_) {
            all.push_back(file.bytes());
        }
        return all;
    }

  private:
    std::deque<OpenFile> opened_;
    std::vector<Rebuilt> built_;
    std::vector<File> files_;
    std::vector<Alternatives::OtherFile> names_;
};

Alternatives alternatives_of(const Arguments& arguments) {
    const auto hashes = [](const std::vector<std::string>& paths) {
        std::vector<Alternatives::File> files;
        for (const std::string& path : paths) {
            files.push_back({.name = path, .hash = hash_of_file(path)});
        }
        return files;
    };
    return {.kernels       = hashes(arguments.other_kernels),
            .initrds       = hashes(arguments.other_initrds),
            .command_lines = arguments.other_lines,
            .other_files   = {},
            .of_file       = {}};
}

/// Others than what is named: for a firmware, files and lines that its kernel goes with.
void check_others(const Arguments& arguments) {
    const LaunchArguments& launch = arguments.launch;
    if (!arguments.other_kernels.empty() && launch.kernel.empty()) {
        throw CLI::RequiredError("--or-kernel requires --kernel, which");
    }
    if (!launch.firmware.empty() && launch.kernel.empty()
        && (!arguments.other_initrds.empty() || !arguments.other_lines.empty()
            || !launch.initrd.empty() || launch.append)) {
        throw CLI::RequiredError("--kernel");
    }
}

void run(const Arguments& arguments) {
    if (arguments.expected.empty() == arguments.report.empty()) {
        throw CLI::RequiredError("--expected, or --report,");
    }
    check_others(arguments);
    const Subject subject(arguments.launch);
    const auto expected = expected_digest(arguments, subject.options().platform);
    const auto base     = subject.launch(subject.options());
    if (!base) {
        throw Failure(fmt::format("{}: {}", subject.path(), base.error()));
    }
    const unsigned threads    = all_threads();
    const std::string own     = to_hex(measure(*base, threads));
    const auto start          = std::chrono::steady_clock::now();
    Alternatives alternatives = alternatives_of(arguments);
    alternatives.of_file      = causes_of_file(arguments, subject, *base);
    const auto lines          = lines_of(arguments, subject);
    const OtherFiles others(arguments, subject);
    alternatives.other_files = others.names();
    std::expected<Answer, std::string> answer;
    {
        Progress progress("tried", "hypotheses");
        answer = explain({
            .plan         = {.options = subject.options(), .boot = subject.boot()},
            .alternatives = std::move(alternatives),
            .launch =
                [&](const Plan& p) {
                    return p.other_file ? launch_of(others.at(*p.other_file), p.options)
                                        : subject.launch(p.options, p.boot);
                             },
            .file        = subject.bytes(),
            .others      = others.bytes(),
            .matches     = [&](const Chain& chain) { return chain.equals(expected); },
            .most_causes = arguments.most_causes,
            .threads     = threads,
            .progress    = [&](u64 tried) { progress.at(tried); }
        });
    }
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (!answer) {
        throw Failure(fmt::format("{}: {}", subject.path(), answer.error()));
    }
    if (arguments.json) {
        print_json(subject, *base, *answer, own, to_hex(expected), seconds, lines);
    } else {
        print(*base, *answer, own, seconds);
        for (const std::string& line : lines) {
            fmt::print("{}\n", line);
        }
    }
    if (answer->explanations.empty()) {
        throw Failure(
            fmt::format("{}: found no explanation for {}", subject.path(), to_hex(expected)));
    }
}
} // namespace

void add_explain(CLI::App& app) {
    auto arguments = std::make_shared<Arguments>();
    CLI::App* verb = app.add_subcommand("explain", "Say why a launch digest differs");
    add_launch_options(*verb, arguments->launch);
    auto* expected = verb->add_option("--expected", arguments->expected,
                                      "The digest that was found, in hexadecimal or base64");
    verb->add_option("--report", arguments->report,
                     "An SEV-SNP attestation report (0x4a0 bytes) that holds it")
        ->excludes(expected)
        ->type_name(cli::input_file);
    const auto add_other = [verb](const char* name, std::vector<std::string>& values,
                                  const char* text) {
        return verb->add_option(name, values, text)->allow_extra_args(false);
    };
    verb->add_option("--host-data", arguments->host_data,
                     "What the report's host data has to be, 64 hexadecimal digits");
    add_other("--or-kernel", arguments->other_kernels,
              "Another kernel that may have been booted; as often as you like")
        ->type_name(cli::input_file);
    add_other("--or-initrd", arguments->other_initrds, "Another initrd, likewise")
        ->type_name(cli::input_file);
    add_other("--or-append,--or-cmdline", arguments->other_lines, "Another command line, likewise");
    add_other("--or-file", arguments->other_files,
              "Another IGVM file that may have been launched, by another stub or build, likewise")
        ->type_name(cli::input_file);
    cli::add_number(*verb, "--depth", arguments->most_causes, "How many causes may come together",
                    {.least = 1, .most = 3});
    verb->add_flag("--json", arguments->json, "One JSON object");
    verb->footer("Example:\n"
                 "  igvmtool explain guest.igvm --platform sev-es --expected $(igvmtool measure "
                 "guest.igvm --platform sev-es --vmm kvm-6.8 | sed -n 's/^digest *//p')");
    verb->callback([arguments] { run(*arguments); });
}

} // namespace vestibule::igvm
