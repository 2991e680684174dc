//! Right commands over most domains, in one order, with all of their answers compared.

use serde_json::{Value, json};

use crate::script::Script;

/// A page with something of everything.
const PAGE: &str = "data:text/html,<!doctype html><title>both</title><style>p{color:red}</style><body><p id=a class=b>one</p>\
    <input id=i><button id=k onclick=\"this.textContent='clicked'\">press</button></body>";

/// The steps. The first client makes a page; it is `page`, its target `target`.
pub fn script() -> Script {
    let mut script = Script::default();
    script.call("Target.createTarget", &json!({"url": "about:blank"})).keep("target", "/result/targetId");
    let attach = json!({"targetId": "{{target}}", "flatten": true});
    script.call("Target.attachToTarget", &attach).keep("page", "/result/sessionId");
    browser(&mut script);
    script.at(0, Some("page"));
    runtime(&mut script);
    navigation(&mut script);
    dom(&mut script);
    styles(&mut script);
    emulation(&mut script);
    input(&mut script);
    storage(&mut script);
    network(&mut script);
    debugger(&mut script);
    others(&mut script);
    script
}

fn browser(script: &mut Script) {
    script.bare("Browser.getVersion").bare("Target.getBrowserContexts");
    script.call("Target.getTargetInfo", &json!({"targetId": "{{target}}"}));
    script.call("Browser.getWindowForTarget", &json!({"targetId": "{{target}}"}));
    script.call("Target.createBrowserContext", &json!({"disposeOnDetach": true}));
    script.keep("context", "/result/browserContextId");
    script.call("Target.createTarget", &json!({"url": "about:blank", "browserContextId": "{{context}}"}));
    script.call("Storage.getCookies", &json!({"browserContextId": "{{context}}"}));
    script.call("Target.disposeBrowserContext", &json!({"browserContextId": "{{context}}"}));
    script.call("Target.disposeBrowserContext", &json!({"browserContextId": "{{context}}"}));
    let context = json!({"proxyServer": "http://192.0.2.1:1"});
    script.named("a context with a proxy", "Target.createBrowserContext", &context);
    script.call("Target.exposeDevToolsProtocol", &json!({"targetId": "{{target}}"}));
    script.call("Target.setRemoteLocations", &json!({"locations": []}));
    script.call("Target.setDiscoverTargets", &json!({"discover": true}));
    script.call("Target.setDiscoverTargets", &json!({"discover": false}));
    script.call("Target.getTargetInfo", &json!({"targetId": "nobody"}));
    script.call("Target.attachToTarget", &json!({"targetId": "nobody", "flatten": true}));
    script.call("Target.closeTarget", &json!({"targetId": "nobody"}));
    script.call("Target.detachFromTarget", &json!({"sessionId": "nobody"}));
    script.call("Browser.grantPermissions", &json!({"permissions": ["geolocation"]}));
    script.call("Browser.setPermission", &json!({"permission": {"name": "camera"}, "setting": "denied"}));
    script.bare("Browser.resetPermissions");
    script.call("Browser.getHistograms", &json!({"query": "NoSuchHistogram"}));
    script.call("Security.setIgnoreCertificateErrors", &json!({"ignore": false}));
    script.bare("Schema.getDomains");
}

fn runtime(script: &mut Script) {
    script.bare("Runtime.enable");
    for expression in [
        "1 + 1",
        "'a'.repeat(1000)",
        "({a: [1, {b: null}], c: '\\u00fc\\ud83d\\ude00'})",
        "undefined",
        "NaN",
        "-0",
        "10n",
        "Symbol('s')",
        "new Promise(done => setTimeout(() => done(7), 1))",
        "Promise.reject(new Error('no'))",
        "throw 5",
        "}{",
        "nothing.there",
        "'\\u0000\\u0007\\ud800'",
        "document.title",
        "[...Array(50).keys()]",
    ] {
        script.evaluate(expression);
    }
    script.call("Runtime.evaluate", &json!({"expression": "({a: 1, get b() { return 2 }})"}));
    script.keep("object", "/result/result/objectId");
    script.call("Runtime.getProperties", &json!({"objectId": "{{object}}", "ownProperties": true}));
    let function = json!({"objectId": "{{object}}", "functionDeclaration": "function(x) { return this.a + x }",
        "arguments": [{"value": 41}], "returnByValue": true});
    script.call("Runtime.callFunctionOn", &function);
    script.call("Runtime.releaseObject", &json!({"objectId": "{{object}}"}));
    script.call("Runtime.getProperties", &json!({"objectId": "{{object}}"}));
    script.call(
        "Runtime.compileScript",
        &json!({"expression": "1 +", "sourceURL": "x.js", "persistScript": false}),
    );
    script.call("Runtime.addBinding", &json!({"name": "told"}));
    script.evaluate("told('x')").call("Runtime.removeBinding", &json!({"name": "told"}));
    script.call("Runtime.globalLexicalScopeNames", &json!({})).bare("Runtime.discardConsoleEntries");
    script.call("Runtime.awaitPromise", &json!({"promiseObjectId": "1.2.3"}));
}

fn navigation(script: &mut Script) {
    script.bare("Page.enable").call("Page.navigate", &json!({"url": PAGE}));
    let loaded = "new Promise(done => document.readyState == 'complete' ? done(1) : addEventListener('load', () => done(1)))";
    script.evaluate(loaded).evaluate("document.title");
    script.bare("Page.getFrameTree").keep("frame", "/result/frameTree/frame/id");
    script.bare("Page.getLayoutMetrics").bare("Page.getResourceTree");
    script
        .call("Page.navigate", &json!({"url": "http://"}))
        .call("Page.navigate", &json!({"url": "no-such-scheme:x"}));
    script.call("Page.setDocumentContent", &json!({"frameId": "nobody", "html": ""}));
    script.call("Page.addScriptToEvaluateOnNewDocument", &json!({"source": "globalThis.early = 1"}));
    script.call("Page.removeScriptToEvaluateOnNewDocument", &json!({"identifier": "1"}));
    script.call("Page.createIsolatedWorld", &json!({"frameId": "{{frame}}", "worldName": "w"}));
    script.call("Page.captureScreenshot", &json!({"format": "gif"}));
    script.call("Page.setLifecycleEventsEnabled", &json!({"enabled": true}));
    script.call("Page.handleJavaScriptDialog", &json!({"accept": true}));
    script.call("Page.navigateToHistoryEntry", &json!({"entryId": 999_999}));
    script.call("Page.setBypassCSP", &json!({"enabled": false})).bare("Page.resetNavigationHistory");
    script.call("Page.getManifestIcons", &json!({})).bare("Page.getInstallabilityErrors");
    script.call("Page.setInterceptFileChooserDialog", &json!({"enabled": false}));
}

fn dom(script: &mut Script) {
    script.bare("DOM.enable").call("DOM.getDocument", &json!({"depth": -1}));
    script.call("DOM.querySelector", &json!({"nodeId": 1, "selector": "#a"}));
    script.call("DOM.querySelector", &json!({"nodeId": 1, "selector": "#none"}));
    script.call("DOM.querySelector", &json!({"nodeId": 1, "selector": "[["}));
    script.call("DOM.querySelectorAll", &json!({"nodeId": 1, "selector": "p,input"}));
    script.call("DOM.querySelector", &json!({"nodeId": 99_999, "selector": "p"}));
    script.call("DOM.getOuterHTML", &json!({"nodeId": 1})).call("DOM.getAttributes", &json!({"nodeId": 1}));
    script
        .call("DOM.performSearch", &json!({"query": "one"}))
        .call("DOM.getBoxModel", &json!({"nodeId": 99_999}));
    script.call("DOM.resolveNode", &json!({})).call("DOM.describeNode", &json!({"objectId": "x"}));
    script.bare("DOMSnapshot.enable");
    script.call("DOMSnapshot.captureSnapshot", &json!({"computedStyles": ["color"]}));
    script.bare("Accessibility.enable");
    script.call("Accessibility.getFullAXTree", &json!({"depth": 2})).bare("Accessibility.getRootAXNode");
    script.bare("Accessibility.disable");
    let listener = json!({"expression": "document.querySelector('#k')"});
    script.call("Runtime.evaluate", &listener).keep("button", "/result/result/objectId");
    script.call("DOM.requestNode", &json!({"objectId": "{{button}}"}));
    script.call("DOMDebugger.getEventListeners", &json!({"objectId": "{{button}}"}));
    script.call("DOM.getContentQuads", &json!({"objectId": "{{button}}"}));
    script.call("DOM.scrollIntoViewIfNeeded", &json!({"objectId": "{{button}}"}));
}

fn styles(script: &mut Script) {
    script.bare("CSS.enable").call("CSS.getComputedStyleForNode", &json!({"nodeId": 1}));
    script.call("CSS.getMatchedStylesForNode", &json!({"nodeId": 99_999}));
    script.call("CSS.getInlineStylesForNode", &json!({"nodeId": 1})).bare("CSS.getMediaQueries");
    script
        .call("CSS.getStyleSheetText", &json!({"styleSheetId": "nobody"}))
        .bare("CSS.startRuleUsageTracking");
    script.bare("CSS.stopRuleUsageTracking").bare("CSS.disable").bare("CSS.getMediaQueries");
}

fn emulation(script: &mut Script) {
    let metrics = json!({"width": 400, "height": 300, "deviceScaleFactor": 2, "mobile": false});
    script.call("Emulation.setDeviceMetricsOverride", &metrics);
    script
        .evaluate("[innerWidth, innerHeight, devicePixelRatio]")
        .bare("Emulation.clearDeviceMetricsOverride");
    script
        .call("Emulation.setUserAgentOverride", &json!({"userAgent": "somebody"}))
        .evaluate("navigator.userAgent");
    script.call("Emulation.setTimezoneOverride", &json!({"timezoneId": "Asia/Tokyo"}));
    script.evaluate("new Date(0).getTimezoneOffset()");
    script.call("Emulation.setTimezoneOverride", &json!({"timezoneId": "Nowhere/Nowhere"}));
    script
        .call("Emulation.setLocaleOverride", &json!({"locale": "de-DE"}))
        .evaluate("(1.5).toLocaleString()");
    script
        .call("Emulation.setEmulatedMedia", &json!({"media": "print"}))
        .evaluate("matchMedia('print').matches");
    script.call("Emulation.setGeolocationOverride", &json!({"latitude": 1000, "longitude": 0}));
    script.call("Emulation.setCPUThrottlingRate", &json!({"rate": 0}));
    script.call("Emulation.setTouchEmulationEnabled", &json!({"enabled": true, "maxTouchPoints": 99}));
    script
        .call("Emulation.setScriptExecutionDisabled", &json!({"value": false}))
        .bare("Emulation.canEmulate");
    script.call(
        "Emulation.setDeviceMetricsOverride",
        &json!({"width": -1, "height": 1, "deviceScaleFactor": 0, "mobile": false}),
    );
}

fn input(script: &mut Script) {
    script
        .evaluate("document.querySelector('#i').focus()")
        .call("Input.insertText", &json!({"text": "\u{fc}\u{1f600}"}));
    script.evaluate("document.querySelector('#i').value");
    for kind in ["keyDown", "keyUp", "sideways"] {
        script.call("Input.dispatchKeyEvent", &json!({"type": kind, "key": "x", "text": "x"}));
    }
    let mouse = |kind: &str| json!({"type": kind, "x": 10, "y": 10, "button": "left", "clickCount": 1});
    for kind in ["mouseMoved", "mousePressed", "mouseReleased", "mouseEaten"] {
        script.call("Input.dispatchMouseEvent", &mouse(kind));
    }
    script.call("Input.dispatchTouchEvent", &json!({"type": "touchStart", "touchPoints": []}));
    script.call("Input.setIgnoreInputEvents", &json!({"ignore": false}));
}

fn storage(script: &mut Script) {
    script.call("Network.setCookie", &json!({"name": "a", "value": "b", "url": "https://a.example/"}));
    script.call("Network.setCookie", &json!({"name": "a", "value": "b"}));
    script.call(
        "Network.setCookies",
        &json!({"cookies": [{"name": "c", "value": "d", "domain": ".a.example", "secure": true}]}),
    );
    script.call("Network.getCookies", &json!({"urls": ["https://a.example/"]})).bare("Storage.getCookies");
    script.call("Network.deleteCookies", &json!({"name": "a", "url": "https://a.example/"}));
    script.bare("Network.clearBrowserCookies").bare("Storage.getCookies");
    script.call("Storage.getUsageAndQuota", &json!({"origin": "nonsense"}));
    script.call(
        "Storage.clearDataForOrigin",
        &json!({"origin": "https://a.example", "storageTypes": "cookies"}),
    );
    script.call("Storage.getStorageKeyForFrame", &json!({"frameId": "{{frame}}"}));
    script
        .bare("DOMStorage.enable")
        .call("DOMStorage.getDOMStorageItems", &json!({"storageId": {"isLocalStorage": true}}));
    script
        .bare("IndexedDB.enable")
        .call("IndexedDB.requestDatabaseNames", &json!({"securityOrigin": "https://a.example"}));
    script.call("CacheStorage.requestCacheNames", &json!({"securityOrigin": "https://a.example"}));
    script.call("CacheStorage.deleteCache", &json!({"cacheId": "nobody"}));
}

fn network(script: &mut Script) {
    script.bare("Network.enable").call("Network.setCacheDisabled", &json!({"cacheDisabled": true}));
    script.call("Network.setExtraHTTPHeaders", &json!({"headers": {"x-a": "b"}}));
    script.call("Network.setExtraHTTPHeaders", &json!({"headers": {"x-a": 5}}));
    script.call("Network.setBlockedURLs", &json!({"urls": ["*a.example*"]}));
    let none = json!({"offline": false, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1});
    script.call("Network.emulateNetworkConditions", &none);
    script.call("Network.getResponseBody", &json!({"requestId": "nobody"}));
    script
        .call("Network.getRequestPostData", &json!({"requestId": "nobody"}))
        .bare("Network.canClearBrowserCache");
    script.call("Network.setUserAgentOverride", &json!({"userAgent": ""})).bare("Network.clearBrowserCache");
    script.call("Fetch.enable", &json!({"patterns": [{"urlPattern": "*://a.example/*"}]}));
    for method in ["Fetch.continueRequest", "Fetch.getResponseBody", "Fetch.takeResponseBodyAsStream"] {
        script.call(method, &json!({"requestId": "nobody"}));
    }
    script.call("Fetch.failRequest", &json!({"requestId": "nobody", "errorReason": "Aborted"}));
    script.call("Fetch.failRequest", &json!({"requestId": "nobody", "errorReason": "Bored"}));
    script.call("Fetch.fulfillRequest", &json!({"requestId": "nobody", "responseCode": 200, "body": "%%%"}));
    script.bare("Fetch.disable").call("Fetch.continueRequest", &json!({"requestId": "nobody"}));
    script.call("IO.read", &json!({"handle": "nobody"})).call("IO.close", &json!({"handle": "nobody"}));
    script.call("IO.resolveBlob", &json!({"objectId": "nobody"})).bare("Network.disable");
}

fn debugger(script: &mut Script) {
    script
        .bare("Debugger.enable")
        .call("Debugger.setBreakpointByUrl", &json!({"lineNumber": 0, "url": "x.js"}));
    script.call("Debugger.setBreakpointByUrl", &json!({"lineNumber": -1}));
    script.call("Debugger.removeBreakpoint", &json!({"breakpointId": "nobody"})).bare("Debugger.resume");
    script.call("Debugger.getScriptSource", &json!({"scriptId": "nobody"})).bare("Debugger.stepOver");
    script.call("Debugger.setPauseOnExceptions", &json!({"state": "sometimes"}));
    script.call("Debugger.evaluateOnCallFrame", &json!({"callFrameId": "nobody", "expression": "1"}));
    script.call("Debugger.setBlackboxPatterns", &json!({"patterns": ["["]})).bare("Debugger.disable");
    script.bare("Debugger.resume").bare("Profiler.start").bare("Profiler.enable").bare("Profiler.stop");
    script.call("Profiler.setSamplingInterval", &json!({"interval": 1000})).bare("Profiler.disable");
    script.bare("HeapProfiler.enable").call("HeapProfiler.getHeapObjectId", &json!({"objectId": "nobody"}));
    script.bare("HeapProfiler.disable").bare("HeapProfiler.getSamplingProfile");
}

fn others(script: &mut Script) {
    script
        .bare("Log.enable")
        .call("Log.startViolationsReport", &json!({"config": [{"name": "longTask", "threshold": 1}]}));
    script.call("Log.startViolationsReport", &json!({"config": 7})).bare("Log.clear").bare("Log.disable");
    script
        .bare("Performance.enable")
        .bare("Performance.disable")
        .bare("Security.enable")
        .bare("Inspector.enable");
    script.call("Performance.setTimeDomain", &json!({"timeDomain": "lunar"})).bare("Overlay.enable");
    script.call("Overlay.highlightNode", &json!({"highlightConfig": {}})).bare("Overlay.hideHighlight");
    script
        .bare("Animation.enable")
        .call("Animation.setPlaybackRate", &json!({"playbackRate": 2}))
        .bare("Animation.disable");
    script.bare("LayerTree.enable").bare("LayerTree.disable").bare("ServiceWorker.enable");
    script
        .call("ServiceWorker.unregister", &json!({"scopeURL": "https://a.example/"}))
        .bare("ServiceWorker.disable");
    script
        .call("Media.enable", &Value::Null)
        .bare("WebAuthn.enable")
        .bare("Audits.enable")
        .bare("Console.enable");
    let authenticator = json!({"options": {"protocol": "ctap2", "transport": "usb"}});
    script.call("WebAuthn.addVirtualAuthenticator", &authenticator).bare("WebAuthn.disable");
    script.call("Tracing.getCategories", &json!({})).bare("NoSuch.method").bare("Page.noSuch");
    script.bare("no dot").bare("").bare(".").bare("Page.").bare("page.enable").bare("Runtime.evaluate ");
}
