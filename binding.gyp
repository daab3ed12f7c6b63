# The addon: every file of native/core, native/wire and native/napi. Node-API 9 is fixed, so that one binary serves Node 20 and later.
# No instruction set beyond the platform's baseline is asked for: the code chooses at run time what the processor has.
{
  "targets": [
    {
      "target_name": "millrace",
      "sources": ["<!@(node -p \"['core', 'wire', 'napi'].flatMap((part) => fs.readdirSync('native/' + part).filter((name) => name.endsWith('.cc')).sort().map((name) => 'native/' + part + '/' + name)).join(' ')\")"],
      "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
      "defines": ["NAPI_VERSION=9", "NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS"],
      "cflags_cc!": ["-std=gnu++17", "-std=gnu++20"],
      "cflags_cc": ["-std=c++20", "-O3", "-Wall", "-Wextra", "-fvisibility=hidden", "-fvisibility-inlines-hidden"],
      "ldflags": ["-Wl,--gc-sections"],
      "conditions": [
        ["OS=='linux'", { "defines": ["_GNU_SOURCE", "_FILE_OFFSET_BITS=64"] }],
        ["OS=='mac'", {
          "xcode_settings": {
            "CLANG_CXX_LANGUAGE_STANDARD": "c++20",
            "CLANG_CXX_LIBRARY": "libc++",
            "GCC_OPTIMIZATION_LEVEL": "3",
            "GCC_SYMBOLS_PRIVATE_EXTERN": "YES",
            "MACOSX_DEPLOYMENT_TARGET": "12.0",
            "OTHER_CPLUSPLUSFLAGS": ["-Wall", "-Wextra"]
          }
        }]
      ]
    }
  ]
}
