// SPDX-License-Identifier: BSD-2-Clause-Patent
// igvmtool measure: the launch digest that a file or a firmware must give, for those who verify
// attestation reports.
#include "cli/json.h"
#include "igvm/measure/cpu_types.h"
#include "igvm/measure/launch_digest.h"
#include "igvm/show/describe.h"
#include "igvm/tool/file_io.h"
#include "igvm/tool/launch_arguments.h"
#include "igvm/tool/progress.h"
#include "igvm/tool/verbs.h"
#include "igvm/vmm/kernel_profile.h"
#include "x86/vmsa.h"

#include <fmt/format.h>

#include <map>

namespace vestibule::igvm {

namespace {
using ordered_json = cli::Json;

struct Arguments {
    LaunchArguments launch;
    bool ledger      = false;
    bool json        = false;
    bool digest_only = false;
    bool base64      = false;
    std::string vcpu_range; // "1..64"
    std::string dump_vmsa;
    std::string tik;
    std::string nonce;
    std::optional<u32> policy;
    std::string api;
};

struct Measured {
    const VmmProfile* vmm;
    std::string error; // or all of the rest
    u32 vcpus        = 0;
    u64 pages        = 0;
    u64 sev_features = 0; // of the first VMSA
    std::vector<u8> vmsas;
    std::vector<u8> digest;
    std::vector<std::string> notes;
    ordered_json ledger = ordered_json::array();
};

struct TypeName {
    PageType type;
    std::string_view name;
};

constexpr TypeName type_names[] = {
    {.type = PageType::normal,     .name = "NORMAL"    },
    {.type = PageType::vmsa,       .name = "VMSA"      },
    {.type = PageType::zero,       .name = "ZERO"      },
    {.type = PageType::unmeasured, .name = "UNMEASURED"},
    {.type = PageType::secrets,    .name = "SECRETS"   },
    {.type = PageType::cpuid,      .name = "CPUID"     },
};

std::string_view name_of(PageType type) {
    return std::ranges::find(type_names, type, &TypeName::type)->name;
}

/// On SEV-ES a firmware volume is encrypted in one piece.
u64 pages_of(const Step& step) {
    return std::max(step.pages, (step.data.size() + page_size - 1) / page_size);
}

ordered_json ledger_row(const Step& step, const Digest384& contents, const Chain& chain, bool snp) {
    ordered_json row{
        {"type", name_of(step.type)},
        {"gpa", fmt::format("{:#x}", step.gpa)},
        {"pages", pages_of(step)},
        {"what", step.what}
    };
    if (step.type == PageType::vmsa) {
        row["vcpu"] = step.vcpu;
    }
    if (step.header_index != Error::no_header) {
        row["header"] = step.header_index;
    }
    if (snp) {
        row["contents"] = to_hex(contents);
    } else {
        const bool hashed = step.type == PageType::normal || step.type == PageType::vmsa;
        const u64 zeros   = step.pages * page_size;
        row["size"]       = !hashed ? 0 : step.data.empty() ? zeros : step.data.size();
    }
    row["digest"] = to_hex(chain.digest());
    return row;
}

Measured measure_under(const Subject& subject, const VmmProfile& vmm, bool with_ledger) {
    Measured result{.vmm = &vmm, .error = {}, .vmsas = {}, .digest = {}, .notes = {}};
    LaunchOptions options = subject.options();
    options.vmm           = vmm;
    auto launch           = subject.launch(options);
    if (!launch) {
        result.error = launch.error();
        return result;
    }
    for (const Step& step : launch->steps) {
        result.pages += pages_of(step);
        if (step.type == PageType::vmsa) {
            const auto vmsa     = load<x86::Vmsa>(step.data);
            result.sev_features = result.vcpus == 0 ? vmsa.sev_features : result.sev_features;
            ++result.vcpus;
            result.vmsas.insert(result.vmsas.end(), step.data.begin(), step.data.end());
        }
    }
    Progress progress("measured", "pages", result.pages);
    u64 done         = 0;
    const bool snp   = options.platform == PlatformType::sev_snp;
    const auto watch = [&](const Step& step, const Digest384& contents, const Chain& chain) {
        done += pages_of(step);
        progress.at(done);
        if (with_ledger) {
            result.ledger.push_back(ledger_row(step, contents, chain, snp));
        }
    };
    result.digest = measure(*launch, all_threads(), watch, subject.start());
    result.notes  = std::move(launch->notes);
    return result;
}

// LAUNCH_MEASURE

std::array<u8, 16> sixteen(const std::vector<u8>& bytes, const std::string& where) {
    std::array<u8, 16> value;
    if (bytes.size() != value.size()) {
        throw Failure(
            fmt::format("{}: found {} bytes, expected {}", where, bytes.size(), value.size()));
    }
    std::ranges::copy(bytes, value.begin());
    return value;
}

std::optional<MeasureContext> measure_context(const Arguments& arguments, PlatformType platform) {
    if (arguments.tik.empty()) {
        return std::nullopt;
    }
    if (platform == PlatformType::sev_snp) {
        throw CLI::ValidationError("--tik", "LAUNCH_MEASURE is for sev and sev-es; SNP has none");
    }
    MeasureContext context{.tik       = {},
                           .mnonce    = {},
                           .api_major = 0,
                           .api_minor = 0,
                           .build     = 0,
                           .policy    = *arguments.policy};
    const auto nonce = from_hex(arguments.nonce);
    if (nonce.size() != context.mnonce.size()) {
        throw CLI::ValidationError(
            "--nonce", fmt::format("found {}, expected 32 hexadecimal digits", arguments.nonce));
    }
    context.mnonce       = sixteen(nonce, "--nonce");
    const ApiVersion api = api_version_of(arguments.api);
    context.api_major    = api.major;
    context.api_minor    = api.minor;
    context.build        = api.build;
    auto key             = read_file(arguments.tik);
    if (!key) {
        throw Failure(key.error());
    }
    context.tik = sixteen(*key, arguments.tik);
    return context;
}

// Output

void print_ledger(const ordered_json& ledger) {
    for (const auto& row : ledger) {
        const auto text  = [&](const char* key) { return row[key].get<std::string>(); };
        std::string what = text("what");
        if (row.contains("vcpu")) {
            what += fmt::format(" of vCPU {}", row["vcpu"].get<u32>());
        }
        if (row.contains("header")) {
            what += fmt::format(", header {}", row["header"].get<u32>());
        }
        fmt::print("{:<10} {:>14} x {:<5} {}\n", text("type"), text("gpa"), row["pages"].get<u64>(),
                   what);
        if (row.contains("contents")) {
            fmt::print("  contents {}\n", text("contents"));
        } else {
            fmt::print("  bytes    {}\n", row["size"].get<u64>());
        }
        fmt::print("  digest   {}\n", text("digest"));
    }
}

std::string signature_in_words(const Subject& subject) {
    const u32 signature         = subject.options().cpu_signature;
    const std::string_view name = cpu_name(signature);
    return fmt::format("{:#x}{}", signature, name.empty() ? "" : fmt::format(" ({})", name));
}

void print_one(const Subject& subject, const Measured& measured,
               const std::optional<MeasureContext>& context) {
    print_ledger(measured.ledger);
    fmt::print("platform  {}\nmonitor   {}: {}\n", igvm::name_of(subject.options().platform),
               measured.vmm->name, measured.vmm->title);
    if (measured.vcpus != 0) {
        fmt::print("signature {}\nfeatures  {:#x}\n", signature_in_words(subject),
                   measured.sev_features);
    }
    fmt::print("vCPUs     {}\npages     {}\ndigest    {}\n", measured.vcpus, measured.pages,
               to_hex(measured.digest));
    if (context) {
        fmt::print("measure   {}\n", to_hex(launch_measure(*context, measured.digest)));
    }
    for (const std::string& note : measured.notes) {
        fmt::print("note      {}\n", note);
    }
}

/// Monitors that agree stand together.
void print_all(const std::vector<Measured>& all) {
    std::map<std::string, std::string> monitors;
    std::vector<std::string> digests;
    for (const Measured& measured : all) {
        const std::string digest = measured.error.empty() ? to_hex(measured.digest) : "";
        std::string& names       = monitors[digest];
        if (names.empty()) {
            digests.push_back(digest);
        }
        names += names.empty() ? "" : ", ";
        names += measured.vmm->name;
    }
    for (const std::string& digest : digests) {
        if (!digest.empty()) {
            fmt::print("{}  {}\n", digest, monitors[digest]);
        }
    }
    for (const Measured& measured : all) {
        if (!measured.error.empty()) {
            fmt::print("{}: {}\n", measured.vmm->name, measured.error);
        }
    }
}

/// Which kernel's way with a VMSA goes into the digest; null where the monitor's row says all.
ordered_json kernel_profile(const VmmProfile& vmm) {
    return kernel_named(std::string(vmm.name)) ? ordered_json(vmm.name) : ordered_json();
}

ordered_json text_or_null(const std::string& text) {
    return text.empty() ? ordered_json() : ordered_json(text);
}

/// What the digest is of, whatever the monitor.
ordered_json subject_json(const Subject& subject, const LaunchArguments& launch) {
    ordered_json object     = cli::json_output("measure");
    object["file"]          = subject.path();
    object["platform"]      = igvm::name_of(subject.options().platform);
    object["vcpu_type"]     = launch.vcpu_type;
    object["cpu_signature"] = fmt::format("{:#x}", subject.options().cpu_signature);
    object["kernel"]        = text_or_null(launch.kernel);
    object["initrd"]        = text_or_null(launch.initrd);
    object["command_line"]  = launch.append ? ordered_json(*launch.append) : ordered_json();
    return object;
}

ordered_json to_json(const Measured& measured, const std::optional<MeasureContext>& context,
                     bool with_ledger) {
    ordered_json object{
        {"vmm",            measured.vmm->name           },
        {"kernel_profile", kernel_profile(*measured.vmm)},
        {"source",         measured.vmm->source         }
    };
    if (!measured.error.empty()) {
        object["error"] = measured.error;
        return object;
    }
    if (measured.vcpus != 0) {
        object["sev_features"] = fmt::format("{:#x}", measured.sev_features);
    }
    object["vcpus"]                = measured.vcpus;
    object["pages"]                = measured.pages;
    object["launch_digest"]        = to_hex(measured.digest);
    object["launch_digest_base64"] = to_base64(measured.digest);
    if (context) {
        object["measurement"] = to_hex(launch_measure(*context, measured.digest));
    }
    object["notes"] = measured.notes;
    if (with_ledger) {
        object["ledger"] = measured.ledger;
    }
    return object;
}

std::string in_digits(const Arguments& arguments, std::span<const u8> digest) {
    return arguments.base64 ? to_base64(digest) : to_hex(digest);
}

/// "1..64"; the same digest stands behind each count.
void print_range(const Subject& subject, const Arguments& arguments) {
    const std::string& text = arguments.vcpu_range;
    const u64 dots          = text.find("..");
    const auto number       = [](std::string_view part) {
        return static_cast<u32>(number_of(part, {.least = 1, .most = max_vcpus}).value_or(0));
    };
    const u32 first = number(text.substr(0, dots));
    const u32 last  = number(text.substr(dots + 2));
    if (first == 0 || last < first) {
        throw CLI::ValidationError(
            "--vcpus", fmt::format("found {}, expected a number from 1 to {}, or two with .. "
                                   "between them",
                                   arguments.vcpu_range, max_vcpus));
    }
    ordered_json rows = ordered_json::array();
    for (u32 count = first; count <= last; ++count) {
        LaunchOptions options = subject.options();
        options.vcpus         = count;
        const auto launch     = subject.launch(options);
        if (!launch) {
            throw Failure(fmt::format("{}: {} vCPUs: {}", subject.path(), count, launch.error()));
        }
        const auto digest = measure(*launch, all_threads(), {}, subject.start());
        if (arguments.json) {
            rows.push_back({
                {"vcpus",         count         },
                {"launch_digest", to_hex(digest)}
            });
        } else {
            fmt::print("{:>4}  {}\n", count, in_digits(arguments, digest));
        }
    }
    if (arguments.json) {
        ordered_json object      = subject_json(subject, arguments.launch);
        object["vmm"]            = subject.options().vmm.name;
        object["kernel_profile"] = kernel_profile(subject.options().vmm);
        object["source"]         = subject.options().vmm.source;
        object["counts"]         = std::move(rows);
        fmt::print("{}", cli::json_text(object));
    }
}

void run(Arguments arguments) {
    const std::string& count = arguments.launch.vcpus;
    if (count.find("..") != std::string::npos) {
        arguments.vcpu_range = count;
        arguments.launch.vcpus.clear();
    }
    const bool all = arguments.launch.vmm == "all";
    if (all) {
        arguments.launch.vmm.clear();
    }
    if (arguments.launch.kernel.empty()
        && (!arguments.launch.initrd.empty() || arguments.launch.append)) {
        throw CLI::RequiredError("--kernel");
    }
    const Subject subject(arguments.launch);
    const auto context = measure_context(arguments, subject.options().platform);
    if (!arguments.vcpu_range.empty()) {
        print_range(subject, arguments);
        return;
    }
    std::vector<Measured> results;
    for (const VmmProfile& vmm : vmm_profiles) {
        const bool fits = subject.is_firmware() ? vmm.loads_firmware : vmm.loads_igvm;
        if (all ? fits : vmm.vmm == subject.options().vmm.vmm) {
            results.push_back(measure_under(subject, vmm, arguments.ledger && !all));
        }
    }
    if (!all && !results.front().error.empty()) {
        throw Failure(fmt::format("{}: {}", subject.path(), results.front().error));
    }
    if (!arguments.dump_vmsa.empty()) {
        if (const auto written = write_file(arguments.dump_vmsa, results.front().vmsas); !written) {
            throw Failure(written.error());
        }
    }
    if (arguments.digest_only) {
        for (const Measured& measured : results) {
            if (measured.error.empty()) {
                fmt::print("{}\n", in_digits(arguments, measured.digest));
            }
        }
        return;
    }
    if (arguments.json) {
        ordered_json object = subject_json(subject, arguments.launch);
        if (all) {
            for (const Measured& measured : results) {
                object["monitors"].push_back(to_json(measured, context, false));
            }
        } else {
            object.update(to_json(results.front(), context, arguments.ledger));
        }
        fmt::print("{}", cli::json_text(object));
    } else if (all) {
        print_all(results);
    } else {
        print_one(subject, results.front(), context);
    }
}
} // namespace

void add_measure(CLI::App& app) {
    auto arguments = std::make_shared<Arguments>();
    CLI::App* verb = app.add_subcommand("measure", "Compute the launch digest");
    add_launch_options(*verb, arguments->launch);
    verb->add_flag("--ledger", arguments->ledger, "Each step and the digest behind it");
    auto* json = verb->add_flag("--json", arguments->json, "One JSON object");
    auto* only = verb->add_flag("--digest-only", arguments->digest_only, "The digest and no more")
                     ->excludes(json);
    verb->add_flag("--base64", arguments->base64, "The digest in base64")->needs(only);
    verb->add_option("--dump-vmsa", arguments->dump_vmsa,
                     "Write the VMSA pages that are measured to a file, one after another")
        ->type_name(cli::output_file);
    auto* tik = verb->add_option("--tik", arguments->tik,
                                 "File with the 16 bytes of the TIK: also compute LAUNCH_MEASURE")
                    ->type_name(cli::input_file);
    auto* nonce  = verb->add_option("--nonce", arguments->nonce,
                                    "MNONCE, bytes 32 to 47 of LAUNCH_MEASURE, in hexadecimal");
    auto* policy = cli::add_number(*verb, "--policy", arguments->policy, "The guest's SEV policy");
    auto* api    = verb->add_option("--api", arguments->api,
                                    "The secure processor's API version and build: 1.55.16");
    tik->needs(nonce)->needs(policy)->needs(api);
    for (auto* option : {nonce, policy, api}) {
        option->needs(tik);
    }
    verb->footer("--vmm all compares the monitors, --vcpus 1..64 makes a table.\n"
                 "Examples:\n"
                 "  igvmtool measure guest.igvm --platform sev-es --vmm qemu-11.1 --ledger\n"
                 "  igvmtool measure --firmware /usr/share/ovmf/OVMF.fd --platform snp "
                 "--vcpus 2 --vcpu-type EPYC-Milan --vmm ec2");
    verb->callback([arguments] { run(*arguments); });
}

} // namespace vestibule::igvm
